"""The two addresses of a database: the owner migrates and sets up, the app role serves."""

import click

database_url_option = click.option(
    "--database-url",
    envvar="VIENPHI_DATABASE_URL",
    required=True,
    help="Address for the app role. [env: VIENPHI_DATABASE_URL]",
)

owner_url_option = click.option(
    "--owner-url",
    envvar="VIENPHI_OWNER_URL",
    required=True,
    help="Address for the owner role. [env: VIENPHI_OWNER_URL]",
)
