"""The event of a statement that makes entries: its lines are matched with what the ledger expects at the bank."""

from datetime import UTC
from io import BytesIO

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import PersonId
from billing.core.money import Dong
from billing.reconciliation.domain.match_rules import RuleSet
from billing.reconciliation.service.decide_matches import revert_match
from billing.reconciliation.service.import_settlement import import_settlement
from billing.reconciliation.service.import_statement import import_statement
from billing.reconciliation.service.match_lines import run_matching
from billing.reconciliation.store.match_runs import add_rule_set
from tests.builders import ACCOUNT_NAME
from tests.flows.entry_acts import Hospital
from tests.reconciliation.statement_file import Line, statement_csv, statement_file

_PAYMENTS = """
    SELECT amount, bank_reference, provider_reference FROM payment
    WHERE organization_id = 1 AND method = 'provider' ORDER BY id LIMIT 5
"""
_REFUND = """
    SELECT amount, bank_reference FROM refund
    WHERE organization_id = 1 AND way = 'manual_transfer' AND state = 'done' AND outflow_id IS NULL
"""
_OUTFLOW = """
    SELECT amount, reference FROM bank_reference WHERE organization_id = 1 AND movement <> 'received' LIMIT 1
"""
_MATCHES = """
    SELECT DISTINCT ON (match.rule) match.id FROM match
    JOIN match_item AS item ON item.organization_id = 1 AND item.match_id = match.id
        AND item.item_kind IN ('payment', 'bank_deposit')
    WHERE match.organization_id = 1 AND match.difference = 0 AND match.rule IN ('bank_reference', 'named')
    ORDER BY match.rule, match.id
"""


async def statement_lines(hospital: Hospital) -> None:
    """Money in and out with its references, one line 5 đồng more and one 5 less, a deposit, and a payout with a fee."""
    site = hospital.site
    day = business_date(site.context.clock())
    first, more, less, reported, _ = await site.as_owner(_PAYMENTS)
    [refund] = await site.as_owner(_REFUND)
    [outflow] = await site.as_owner(_OUTFLOW)
    organization_id = site.hospital.organization_id
    async with site.context.database.transaction(organization_id) as tx:
        rules = RuleSet(version=1, tolerance=Dong(10))
        assert await add_rule_set(tx, rules, by=None, at=site.context.clock())
    lines = (
        Line(amount=first["amount"], reference=first["bank_reference"], day=day),
        Line(amount=more["amount"] + 5, reference=more["bank_reference"], day=day),
        Line(amount=less["amount"] - 5, reference=less["bank_reference"], day=day),
        Line(amount=50_000, text="NOP TIEN MAT NT-1", day=day),
        Line(amount=-refund["amount"], reference=refund["bank_reference"], day=day),
        Line(amount=-outflow["amount"], reference=outflow["reference"], day=day),
    )
    await _statement(hospital, *lines)
    report = (
        "transaction,reference,status,amount,fee,bank_reference,occurred_at,paid_out_on\r\n"
        f"{reported['provider_reference']},,SUCCEEDED,{reported['amount']},300,,"
        f"{site.context.clock().astimezone(UTC):%Y-%m-%d %H:%M:%S},{day}\r\n"
    )
    await import_settlement(
        site.context,
        organization_id,
        BytesIO(report.encode()),
        account_name=ACCOUNT_NAME,
        file_name="report.csv",
        actor=Actor.system(),
    )
    payout = Line(amount=reported["amount"] - 300, text="THANH TOAN", day=day)
    await _statement(hospital, payout, opening=sum(line.amount for line in lines))


async def reverted_matches(hospital: Hospital) -> None:
    """A match of a provider's payment and one of a deposit are reverted by a person."""
    site = hospital.site
    [key] = await site.as_owner("SELECT id, person_id FROM api_key WHERE organization_id = 1 ORDER BY id LIMIT 1")
    actor = Actor.key(key["id"], acting_for=PersonId(key["person_id"]))
    for match in await site.as_owner(_MATCHES):
        await revert_match(site.context, site.hospital.organization_id, match["id"], reason="khớp nhầm", actor=actor)


async def _statement(hospital: Hospital, *lines: Line, opening: int = 0) -> None:
    site = hospital.site
    content = statement_csv(*lines, opening=opening, account=site.hospital.settings.account_number)
    organization_id, actor = site.hospital.organization_id, Actor.system()
    await import_statement(site.context, organization_id, statement_file(content), actor=actor)
    await run_matching(site.context, organization_id, actor=actor)
