"""Use cases: one function each, which opens the transaction."""
