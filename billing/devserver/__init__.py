"""A PostgreSQL server of its own for demonstrations and tests. Never part of a hospital's installation."""
