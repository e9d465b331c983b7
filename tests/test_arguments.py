"""A function with more than six arguments in all is a command of the command line, or has a reason here.

`test_layout.py` holds the limit of six arguments by place. Source: STYLE.md §9.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT = 6

_WIRING = "builds a process or a test server from its parts; each part has one default and is named once"
_USE_CASE = "context, organization, actor, request and at most four inputs of its own"
_STEP = "a transaction, the context, the actor and the locked rows of one booking"
_COLUMNS = "writes one row: an argument is a column"
_FIELDS = "an argument is a field of the value that it returns"
_RULE = "the rule has seven inputs; a value for them alone would be built for this one call"

REASONS = {
    "billing/app.py open_service": _WIRING,
    "billing/cli/reprice.py _reprice": _WIRING,
    "billing/web/server.py create_application": _WIRING,
    "billing/worker/running.py run_worker": _WIRING,
    "billing/notifications/service/webhooks.py open_endpoint": _WIRING,
    "providers/sandbox/bank_simulator.py __init__": _WIRING,
    "billing/checkout/service/intents.py open_intent": _USE_CASE,
    "billing/organizations/service/sessions.py change_person": _USE_CASE,
    "billing/ledger/service/balances.py read_statement_of_account": "an account, a period and a page of its lines",
    "billing/reconciliation/service/import_settlement.py import_settlement": _USE_CASE,
    "billing/reconciliation/service/surplus_returns.py accept_return": _USE_CASE,
    "billing/tariffs/service/price_lists.py import_tariff": _USE_CASE,
    "billing/visit_accounts/service/desk_screens.py request_for_code": _USE_CASE,
    "billing/visit_accounts/service/hand_overs.py hand_over_cash": _USE_CASE,
    "billing/visit_accounts/service/receipt_moves.py move_receipt": _USE_CASE,
    "billing/visit_accounts/service/shifts.py pay_in": _USE_CASE,
    "billing/visit_accounts/service/shifts.py pay_out": _USE_CASE,
    "billing/ledger/service/posting.py post_entry": _STEP,
    "billing/payments/service/refunding.py book_returned": _STEP,
    "billing/payments/service/refunding.py complete": _STEP,
    "billing/visit_accounts/service/visit_messages.py _write": _STEP,
    "billing/organizations/store/sign_in_accounts.py add_account": _COLUMNS,
    "billing/organizations/store/organizations.py add_provider_account": _COLUMNS,
    "billing/payments/store/dead_letters.py add_dead_letter": _COLUMNS,
    "billing/payments/store/polls.py record_answer": _COLUMNS,
    "billing/claims/domain/claim.py found": _FIELDS,
    "billing/payments/domain/amount_due.py amount_due": _RULE,
}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for top in ("billing", "providers"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{path.relative_to(ROOT).as_posix()} {node.name}", node


def has_many(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = function.args
    every = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    return len([each for each in every if each.arg not in {"self", "cls"}]) > LIMIT


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether click calls it: an argument is an option or argument of the command line."""
    return any(".command(" in f"{ast.unparse(each)}(" for each in function.decorator_list)


def test_a_function_of_more_than_six_arguments_has_a_reason() -> None:
    found = {place for place, function in functions() if has_many(function) and not is_command(function)}

    assert sorted(found - REASONS.keys()) == [], "pass a value, or state the reason here"
    assert sorted(REASONS.keys() - found) == [], "the reason of a function that has at most six is removed"


def test_a_seventh_argument_is_found_by_place_or_by_name() -> None:
    seven, six, command = ast.parse(
        "async def seven(a, b, c, *, d, e, f, g): ...\n"
        "def six(self, a, b, c, *, d, e, f): ...\n"
        "@account.command('add')\ndef command(a, *, b, c, d, e, f, g): ...\n"
    ).body
    assert isinstance(seven, ast.AsyncFunctionDef)
    assert isinstance(six, ast.FunctionDef)
    assert isinstance(command, ast.FunctionDef)

    assert (has_many(seven), is_command(seven)) == (True, False)
    assert (has_many(six), has_many(command), is_command(command)) == (False, True, True)
