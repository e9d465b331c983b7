"""payOS (Casso): transfers to a payment link's account, told by webhook."""
