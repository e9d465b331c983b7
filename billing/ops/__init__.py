"""Use cases across features: decisions on approvals, readiness, partitions, retention and erasure of personal data."""
