"""Reconciliation: the bank's statements, their matches with provider and ledger, and the result of each day."""
