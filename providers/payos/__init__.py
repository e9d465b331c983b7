"""payOS (Casso): transfers to a payment link's account, reported by webhook."""
