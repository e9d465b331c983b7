"""Messages about open visits: bytes and JSON ↔ values of the domain. Computes no amounts."""
