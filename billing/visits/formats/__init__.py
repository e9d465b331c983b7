"""Formats of visits: bytes to domain values and back. Computes no amounts."""
