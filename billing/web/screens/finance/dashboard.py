"""The dashboard of finance. Charts are SVG of the server; each has its table, and each number opens its list.

GET /finance   ?day

Source: docs/ux.md, Finance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from billing.organizations.domain.rights import Right
from billing.reconciliation.domain.dashboard import Dashboard
from billing.reconciliation.service.dashboard import read_dashboard
from billing.web.app_state import app_state
from billing.web.screens.finance.params import read_given, read_page_day
from billing.web.screens.rendering import render
from billing.web.screens.session import current

_BASE, _TOP, _LEFT, _RIGHT = 150, 15, 44, 612
_STEPS = 3
_LABELS_MAX = 14


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart, in the units of its view box; `tone` is the class of its colour."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The bars of a chart with the lines of its scale (height and amount) and the labels below (place and text)."""

    bars: Sequence[Bar]
    scale: Sequence[tuple[float, int]]
    labels: Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCalls:
    """Calls to providers since this process started."""

    answered: int
    total: int

    @property
    def permille(self) -> int | None:
        """Answered of all calls, in tenths of a percent; None without a call."""
        return None if self.total == 0 else self.answered * 1000 // self.total


async def get_dashboard(request: web.Request) -> web.Response:
    """The numbers of a day next to the same weekday of the week before."""
    app, caller = app_state(request), current(request).caller
    day = read_page_day(request, read_given(request, "day"))
    found = await read_dashboard(app.context, caller.organization_id, day)
    return render(
        request,
        "finance/dashboard.html",
        board=found,
        by_hour=_by_hour(found),
        unmatched=_by_day(found),
        calls=_calls(request, found),
        may_read_prices=caller.has(Right.READ_PRICES),
        may_read_callbacks=caller.has(Right.READ_CALLBACKS),
    )


def draw(series: Sequence[tuple[str, Sequence[int], str]], labels: Sequence[str]) -> Chart:
    """A chart of one or two series of amounts, one group of bars for each label."""
    top = _scale_top(max((value for _, values, _ in series for value in values), default=0))
    step = (_RIGHT - _LEFT) / max(1, len(labels))
    width = min(26.0, step * 0.7 / max(1, len(series)))
    bars = []
    for at in range(len(labels)):
        for number, (_, values, tone) in enumerate(series):
            height = max(1.0, (_BASE - _TOP) * values[at] / top) if values[at] else 0.5
            x = _LEFT + step * at + 4 + number * (width + 2)
            bars.append(Bar(round(x, 1), round(_BASE - height, 1), round(width, 1), round(height, 1), tone))
    return Chart(
        bars=bars,
        scale=[
            (round(_BASE - (_BASE - _TOP) * number / _STEPS, 1), top * number // _STEPS) for number in range(_STEPS + 1)
        ],
        labels=[(round(_LEFT + step * at + 4, 1), text) for at, text in enumerate(labels)],
    )


def _by_hour(found: Dashboard) -> Chart:
    hours = found.hours
    return draw(
        [
            ("today", [found.today.of_hour(hour) for hour in hours], "a"),
            ("former", [found.former.of_hour(hour) for hour in hours], "b"),
        ],
        [str(hour) for hour in hours],
    )


def _by_day(found: Dashboard) -> Chart:
    days = found.unmatched
    return draw([("unmatched", [each.amount for each in days], "a")], [f"{each.day:%d}" for each in days])


def _scale_top(highest: int) -> int:
    """The smallest round number that divides into the steps of the scale and is not below the highest amount."""
    size = 1
    while True:
        for factor in (3, 6, 9, 12, 15, 21, 24):
            if factor * size >= highest:
                return factor * size
        size *= 10


def _calls(request: web.Request, found: Dashboard) -> ProviderCalls:
    """Calls of this process for the provider accounts of the organization."""
    stats = app_state(request).provider_calls()
    counts = [each for account_id, each in stats.items() if account_id in found.provider_account_ids]
    answered = sum(each.answered for each in counts)
    return ProviderCalls(answered=answered, total=answered + sum(each.failed + each.refused for each in counts))
