"""Invoices: issued from a priced visit, stored with the price snapshot, repriced to check them."""
