"""Screens of the shift: open, move cash, count, close, audit; and the safe of the treasurer."""
