"""Provider accounts and their health, as this process knows it since its start.

GET /admin/accounts    every account: provider, bank account, state, calls
"""

from dataclasses import dataclass

from aiohttp import web

from billing.ops.process_metrics import ProviderCallStats
from billing.organizations.service.account_changes import ListedAccount, list_accounts
from billing.web.app_state import AppState, app_state
from billing.web.screens.rendering import render
from billing.web.screens.session import current

_GOOD_SHARE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHealth:
    """An account with its state: a key of the catalogue, a tone and a sign. Counts are of this process."""

    account: ListedAccount
    state: str
    tone: str
    sign: str
    reason: str
    answered: int
    failed: int
    retried: int
    answered_share: str


async def get_accounts(request: web.Request) -> web.Response:
    """Every provider account of the organization with its health."""
    app, session = app_state(request), current(request)
    accounts = await list_accounts(app.context, session.caller.organization_id)
    prefix = f"{session.caller.organization_id}/"
    return render(request, "admin/accounts.html", accounts=[_health(app, each, prefix) for each in accounts])


def _health(app: AppState, account: ListedAccount, prefix: str) -> AccountHealth:
    stats = app.provider_calls().get(account.id)
    reason = app.context.accounts.unusable().get(prefix + account.name, "")
    state, tone, sign = _state(app, account, stats, reason)
    answered, failed = (stats.answered, stats.failed) if stats is not None else (0, 0)
    calls = answered + failed
    return AccountHealth(
        account=account,
        state=state,
        tone=tone,
        sign=sign,
        reason=reason,
        answered=answered,
        failed=failed,
        retried=stats.retried if stats is not None else 0,
        answered_share=f"{100 * answered / calls:.1f}".replace(".", ",") if calls else "",
    )


def _state(app: AppState, account: ListedAccount, stats: ProviderCallStats | None, reason: str) -> tuple[str, str, str]:
    """State, tone and sign; the worst of what holds."""
    if reason:
        return "accounts.unusable", "stop", "x"
    if not account.is_active:
        return "accounts.inactive", "", "dash"
    if stats is not None and stats.is_circuit_open:
        return "accounts.circuit_open", "stop", "off"
    if account.id in app.intake.throttled_accounts():
        return "accounts.throttled", "attention", "alert"
    calls = 0 if stats is None else stats.answered + stats.failed
    if stats is not None and calls and stats.answered / calls < _GOOD_SHARE:
        return "accounts.failing", "attention", "alert"
    return "accounts.fine", "good", "check"
