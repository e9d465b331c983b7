"""Payment providers behind one contract; they import nothing of billing."""
