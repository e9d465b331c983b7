"""The sandbox: a provider like the others, and a bank simulator that calls it; for the demo, training and tests."""
