"""Formats of claims: bytes to domain values and back. Computes no amounts."""
