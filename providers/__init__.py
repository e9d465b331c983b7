"""Payment providers behind one small contract; they know nothing of billing."""
