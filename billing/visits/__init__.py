"""Visits as the hospital reports them: charge items, cards, facts, and the formats they arrive in."""
