"""Formats of tariffs: bytes to domain values and back. Computes no amounts."""
