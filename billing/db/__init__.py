"""Connections and transactions per organization, migrations, roles, JSON and arrays. No business rules."""
