"""Formats of invoices: bytes to domain values and back. Computes no amounts."""
