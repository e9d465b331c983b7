"""Writes docs/states.md from the tables of the domain: `python -m tests.domain.states_document`."""

from pathlib import Path

from billing.checkout.domain.patient_states import VERDICTS, WORDS
from billing.coverage.domain.explain import Language
from billing.payments.domain.amount_due import COLLECTING, FINAL, PATIENT_STATES, PatientState
from billing.payments.domain.intent import STATE_OF
from providers.contract import Outcome, Verdict

PAGE = Path(__file__).parents[2] / "docs" / "states.md"

_HEAD = """# States and their words

Made by `python -m tests.domain.states_document` from `amount_due.py` and `intent.py` in `billing/payments/domain` and
`patient_states.py` in `billing/checkout/domain`; a test compares. Each provider's own words for its statuses stand at
the top of its file under `providers/`.
"""
_ORDER = """`created` < `pending` < `unknown` < `failed` = `cancelled` = `expired` < `succeeded`; a state never moves
back, and `succeeded` is left only when money leaves again.
"""
_WITH_INVOICES = """Seen with its invoices, whatever the intent says: where nothing is owed any more, money that stands
on none of them makes it `over`, and otherwise what was not received here is `settled`.
"""
_OUTCOMES = {
    Outcome.SUCCEEDED: "`pending` while less than the amount has come, then `succeeded`",
    Outcome.NOT_FOUND: "no change: it says nothing of what the payer did",
}


def write_states() -> str:
    """The whole page."""
    outcomes = [
        (f"`{each}`", f"`{STATE_OF[each]}`, where that is further on" if each in STATE_OF else _OUTCOMES[each])
        for each in Outcome
    ]
    states = [(f"`{state}`", received.value, f"`{on_page}`") for (state, received), on_page in PATIENT_STATES.items()]
    words = [
        (
            f"`{each}`",
            *(
                text
                for language in Language
                for text in (f"**{WORDS[each][language].label}**", WORDS[each][language].sentence)
            ),
            "yes" if each in COLLECTING else "",
            "yes" if each in FINAL else "",
        )
        for each in PatientState
    ]
    return "\n".join(
        [
            _HEAD,
            "## What a provider tells → the intent\n",
            _table(("Outcome", "Intent state"), outcomes),
            _ORDER,
            "## The intent → the patient\n",
            _table(("Intent state", "Received of the amount", "Patient's state"), states),
            _WITH_INVOICES,
            "## The patient's words\n",
            _table(("State", "Tiếng Việt", "", "English", "", "Shows a code", "Final"), words),
            "`{due}`, `{received}` and `{credit}` are amounts as `1.234.567 đ`.\n",
            "## What a provider is answered\n",
            _table(("Verdict", "Means"), [(f"`{each}`", VERDICTS[each]) for each in Verdict]),
        ]
    )


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(write_states(), encoding="utf-8")
