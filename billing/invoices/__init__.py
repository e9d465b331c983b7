"""Invoices: issued from a priced visit, kept with the snapshot of its price, repriced to prove them."""
