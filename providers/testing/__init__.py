"""Tests for authors of providers: the conformance suite and the faults of a provider's server."""
