"""What every package shares: errors, ids, money, text, actors, approvals, reference codes. Pure."""
