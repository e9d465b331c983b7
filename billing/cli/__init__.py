"""The command `vienphi`: one command group a file. Commands are loaded when they are called."""

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from billing import __version__
from billing.cli.refusals import end_with_sentence, refuse_path

_COMMANDS = {
    "account": "billing.cli.account:account",
    "approval": "billing.cli.approval:approval",
    "backup": "billing.cli.backup:backup",
    "claim": "billing.cli.claim:claim",
    "demo": "billing.cli.demo:demo",
    "desk": "billing.cli.desk:desk",
    "exception": "billing.cli.exception:exception",
    "key": "billing.cli.key:key",
    "chart": "billing.cli.chart:chart",
    "ledger": "billing.cli.ledger:ledger",
    "migrate": "billing.cli.migrate:migrate",
    "organization": "billing.cli.organization:organization",
    "person": "billing.cli.person:person",
    "pricing": "billing.cli.pricing:pricing",
    "privacy": "billing.cli.privacy:privacy",
    "provider": "billing.cli.provider:provider",
    "quote": "billing.cli.quote:quote",
    "policy": "billing.cli.policy:policy",
    "recover": "billing.cli.recover:recover",
    "reconciliation": "billing.cli.reconciliation:reconciliation",
    "report": "billing.cli.report:report",
    "reprice": "billing.cli.reprice:reprice",
    "rules": "billing.cli.rules:rules",
    "run": "billing.cli.run:run",
    "serve": "billing.cli.serve:serve",
    "settlement": "billing.cli.settlement:settlement",
    "statement": "billing.cli.statement:statement",
    "tariff": "billing.cli.tariff:tariff",
    "integration": "billing.cli.integration:integration",
    "webhook": "billing.cli.webhook:webhook",
    "worker": "billing.cli.worker:worker",
}


class _Commands(click.Group):
    """Imports a command's file at its first use, so that `quote` needs no database driver to start."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name].split(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.BadParameter as error:
            raise refuse_path(error) or error from None

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.BadParameter as error:
            raise refuse_path(error) or error from None
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            raise end_with_sentence(error) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vienphi")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of settings. [env: VIENPHI_CONFIG]",
)
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Viện phí: hospital fees net of insurance, paid by bank QR, proved in a double-entry ledger."""
    ctx.obj = config
