"""Formats of checkout: bytes to domain values and back. Computes no amounts."""
