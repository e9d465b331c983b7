"""The patient's page."""
