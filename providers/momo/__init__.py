"""MoMo v2: wallet."""
