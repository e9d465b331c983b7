"""Screens of the discharge: what blocks it, the final bill, and its reopening."""
