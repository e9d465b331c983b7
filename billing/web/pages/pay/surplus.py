"""The sentences of the payment page about money that was paid too much, and about its return."""

from collections.abc import Mapping

from billing.checkout.domain.page_content import PageReturn, PageSurplus
from billing.core.clock import VIETNAM
from billing.coverage.domain.explain import Language, money_text
from billing.payments.domain.refund import RefundState, RefundWay
from billing.web.pages.pay.messages import PAGE_MESSAGES

_PROGRESS: Mapping[RefundState, str] = {
    RefundState.REQUESTED: "return_waiting",
    RefundState.APPROVED: "return_approved",
    RefundState.SENT: "return_approved",
    RefundState.UNKNOWN: "return_approved",
    RefundState.DONE: "return_done",
    RefundState.REFUSED: "return_ended",
    RefundState.CANCELLED: "return_ended",
    RefundState.FAILED: "return_ended",
    RefundState.RETURNED: "return_came_back",
}


def surplus_sentences(surplus: PageSurplus, language: Language) -> list[str]:
    """What becomes of an excess, and until when the payer chooses; empty where there is none."""
    messages = PAGE_MESSAGES[language]
    if surplus.amount == 0:
        return []
    day = "" if surplus.last_day is None else f"{surplus.last_day:%d/%m/%Y}"
    if surplus.may_choose:
        if surplus.chosen is None:
            return [messages["next_over"], *([messages["over_until"].format(day=day)] if day else [])]
        change = messages["over_change_until"].format(day=day) if day else messages["over_change"]
        return [messages[f"next_over_{surplus.chosen.choice}"], change]
    if surplus.is_return_wished:
        return [messages["over_wished"]]
    before = []
    if surplus.chosen is not None and surplus.chosen.is_declined:
        before.append(messages["over_declined"])
    elif surplus.is_lapsed:
        before.append(messages["over_lapsed"].format(day=day))
    return [*before, messages["over_kept"]]


def return_sentence(returned: PageReturn, language: Language) -> str:
    """How far the return of an amount is."""
    key = _PROGRESS[returned.state]
    if key == "return_approved" and returned.way is RefundWay.CASH:
        key = "return_approved_cash"
    ended = returned.ended_at
    return PAGE_MESSAGES[language][key].format(
        amount=money_text(returned.amount),
        time="" if ended is None else ended.astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y"),
    )
