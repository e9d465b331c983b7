"""Types of options that several commands share."""

import click

ORGANIZATION_NUMBER = click.IntRange(1, 999_999_999)
"""The number of an organization, as addresses of callbacks carry it: up to nine digits."""
