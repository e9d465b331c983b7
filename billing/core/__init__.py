"""Shared values of all packages: errors, ids, money, text, actors, approvals, reference codes. Pure."""
