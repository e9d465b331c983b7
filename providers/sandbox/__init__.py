"""The sandbox: a provider like the others, and a pretend bank that calls it; for the demo, training and tests."""
