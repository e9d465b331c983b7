"""Rows of reconciliation. Decides nothing."""
