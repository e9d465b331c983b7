"""Operation of the service: readiness, maintenance of partitions, retention and erasure of personal data."""
