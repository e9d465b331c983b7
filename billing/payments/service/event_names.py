"""Names of a notice: its event key, the strong names and the bank reference of its money, and our codes in it.

Source: docs/design.md §5, Duplicates; Strong and weak names.
"""

import hashlib
from functools import lru_cache

from billing.core.reference_code import Grammar, extract_codes, is_reference_code, rejoined_codes
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.event import WEAK, Codes, MovementKey, ReferenceKey
from billing.payments.domain.reference_links import STRONG, normal_reference
from providers.contract import Movement, Notice, Outcome
from providers.references import is_placeholder


def event_key(notice: Notice) -> str:
    """The event key of a notice.

    It depends on the effect: a payment event that books nothing must not hide one that books money. Money without any
    name is distinguished by its content, so that a second such transfer is a further exception.
    """
    if notice.names_other_account:
        return f"foreign:{notice.event_key}"
    if notice.outcome is Outcome.SUCCEEDED and not _names(notice.movement_keys):
        return f"unnamed:{notice.event_key}:{hashlib.sha256(notice.fingerprint).hexdigest()[:16]}"
    return f"{notice.movement.value}:{notice.event_key}"


@lru_cache(maxsize=1024)
def _names(keys: frozenset[str]) -> tuple[str, ...]:
    """The movement keys that identify money: a placeholder is no key. Cached: called several times for each notice."""
    return tuple(sorted(key for key in keys if not is_placeholder(key.partition(":")[2])))


def movement_keys(account: ProviderAccount, notice: Notice) -> frozenset[MovementKey]:
    """The strong names of the money. Without one, the event key is its name: a bank reference alone is weak."""
    names = _names(notice.movement_keys)
    strong = [name for name in names if not name.startswith(WEAK)]
    if names and not strong:
        strong = [f"event:{hashlib.sha256(event_key(notice).encode()).hexdigest()}"]
    return frozenset(
        MovementKey(owner, notice.movement, name)
        for name in strong
        for owner in (account.id_scopes(notice.payee) if name.startswith(STRONG) else (account.id,))
    )


def reference_key(account: ProviderAccount, notice: Notice) -> ReferenceKey | None:
    """The bank reference; it belongs to the bank account, so that an event of another channel is recognised."""
    return _reference_key(account, notice.movement, notice.movement_keys)


def _reference_key(account: ProviderAccount, movement: Movement, keys: frozenset[str]) -> ReferenceKey | None:
    named = next((name for name in _names(keys) if name.startswith(WEAK)), None)
    if named is None:
        return None
    reference = normal_reference(named.removeprefix(WEAK))
    return ReferenceKey(account.bank_account_id or account.id, movement, reference)


def reversed_keys(account: ProviderAccount, notice: Notice) -> frozenset[MovementKey]:
    """Names of the payment whose money left, in the form of `PaymentEvent.traces` of that payment."""
    if not notice.reverses:
        return frozenset()
    reference = _reference_key(account, Movement.RECEIVED, notice.reverses)
    strong = [name for name in _names(notice.reverses) if not name.startswith(WEAK)]
    owners = account.id_scopes(notice.payee)
    traces = {MovementKey(owner, Movement.RECEIVED, name) for name in strong for owner in owners}
    return frozenset(traces if reference is None else traces | {reference.as_trace})


def codes_in(notice: Notice, grammar: Grammar) -> Codes:
    own = (notice.reference,) if notice.reference is not None and is_reference_code(notice.reference) else ()
    if notice.names_order:
        return Codes(field=own)
    extraction = extract_codes(notice.transfer_text, grammar)
    if extraction.rejoined:
        return Codes(field=own, rejoined=extraction.codes)
    return Codes(field=own, direct=extraction.codes, rejoined=rejoined_codes(notice.transfer_text, grammar))
