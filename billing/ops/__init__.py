"""Operation of the service: readiness, upkeep of partitions, retention and erasure of personal data."""
