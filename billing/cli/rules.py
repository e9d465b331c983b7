"""`vienphi rules`: the rules prices and checks can name, with their source, how long they hold and what proves them."""

import click
from rich.console import Console
from rich.table import Table

from billing.coverage.domain.explain import NOTE, Language, Rule, all_rules, find_rule, period_text

_STATUS = {
    Language.VIETNAMESE: {"verified": "đã đối chiếu", "partly": "đối chiếu một phần", "unverified": "chưa đối chiếu"},
    Language.ENGLISH: {"verified": "verified", "partly": "partly verified", "unverified": "unverified"},
}


@click.command()
@click.argument("rule_ids", metavar="[RULE]...", nargs=-1)
@click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    default=Language.VIETNAMESE.value,
    show_default=True,
    help="Language of the rules.",
)
def rules(rule_ids: tuple[str, ...], lang: str) -> None:
    """List the rules of the statutory insurance this version knows, or those named (B-020)."""
    language = Language(lang)
    chosen = [find_rule(rule_id) for rule_id in rule_ids] or [rule for _, rule in sorted(all_rules().items())]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for rule in chosen:
        grid.add_row(rule.id, _words(rule, language))
    Console(highlight=False, markup=False, emoji=False).print(grid)


def _words(rule: Rule, language: Language) -> str:
    facts = [rule.citations[language], period_text(rule, language), _STATUS[language][rule.status]]
    lines = [rule.titles[language], "; ".join(fact for fact in facts if fact)]
    if NOTE in rule.sentences:
        lines.append(rule.sentences[NOTE][language])
    return "\n".join([*lines, ", ".join(rule.proof)])
