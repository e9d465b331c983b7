"""Prices as documents: amounts, the applied rules in every language, and the breakdown of each line.

A price lists each applied rule once, in `explanations`. The visit and the lines refer to them by index in `rule_refs`.
"""

from collections.abc import Iterable, Mapping

from billing.core.errors import NotFound
from billing.core.money import Shares
from billing.coverage.domain.breakdown import BreakdownStep, breakdown, format_step
from billing.coverage.domain.explain import Language, Notes, explain
from billing.coverage.domain.price_result import AppliedRule, PricedVisit
from billing.coverage.formats.worked_case_json import write_priced_visit
from billing.web.schemas import SharesDocument


def price_document(ma_lk: str, priced: PricedVisit | None) -> dict[str, object] | None:
    """Amounts with two decimals as text, shares in whole đồng; None where findings prevent a price."""
    if priced is None:
        return None
    notes = Notes()
    written = write_priced_visit(ma_lk, priced)
    lines = written["lines"]
    assert isinstance(lines, list), "the lines of a price are a list"
    return {
        **written,
        "shares": shares_document(priced.shares),
        "guarantor": priced.guarantor,
        "rule_refs": notes.numbers(priced.reasons),
        "lines": [
            {**written_line, "breakdown": steps_document(breakdown(line)), "rule_refs": notes.numbers(line.reasons)}
            for written_line, line in zip(lines, priced.lines, strict=True)
        ],
        "explanations": [reason_document(reason) for reason in notes.reasons],
    }


def shares_document(shares: Shares) -> SharesDocument:
    """The shares by payer."""
    return {
        "patient": shares.patient,
        "insurer": shares.insurer,
        "other": shares.other,
        "private": shares.private,
        "total": shares.total,
    }


def reason_document(reason: AppliedRule) -> dict[str, object]:
    """An applied rule with its sentence, source and period in every language."""
    try:
        explained = {language: explain(reason, language) for language in Language}
    except NotFound as cause:
        raise AssertionError("every rule of a price has a sentence") from cause
    variant = {"variant": reason.variant} if reason.variant else {}
    return {
        "rule": reason.rule,
        "operands": dict(reason.operands),
        **variant,
        "sentence": {language.value: each.sentence for language, each in explained.items()},
        "citation": {language.value: each.citation for language, each in explained.items()},
        "period": {language.value: each.period for language, each in explained.items()},
        "status": explained[Language.VIETNAMESE].status,
    }


def by_language(texts: Mapping[Language, str]) -> dict[str, str]:
    """A text by language code."""
    return {language.value: text for language, text in texts.items()}


def steps_document(steps: Iterable[BreakdownStep]) -> list[dict[str, object]]:
    """The breakdown of each amount."""
    return [
        {
            "field": step.field,
            "formula": {language.value: format_step(step, language) for language in Language},
            "amount": f"{step.amount:.2f}",
        }
        for step in steps
    ]
