"""Formats of coverage: bytes to domain values and back. Computes no amounts."""
