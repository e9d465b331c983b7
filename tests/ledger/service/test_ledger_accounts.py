"""Ledger accounts that are kept in the process: only those that the database has for good."""

from uuid import uuid4

import pytest

from billing.core.actor import Actor
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting, bank_clearing_account
from billing.ledger.service.posting import post_entry
from tests.flow import PaymentFlow


async def test_account_of_a_transaction_that_failed_is_added_again(flow: PaymentFlow) -> None:
    """Two entries of a transaction that fails use a new account; the next transaction posts to it."""
    context, organization_id = flow.context, flow.hospital.organization_id
    async with context.database.transaction(organization_id) as tx:
        subject = await tx.fetchval("SELECT id FROM bank_account")
    postings = [
        Posting(debit=bank_clearing_account(subject), credit=AccountKey(AccountRole.UNALLOCATED), amount=Dong(1_000))
    ]

    with pytest.raises(RuntimeError):
        async with context.database.transaction(organization_id, posting=True) as tx:
            for _ in range(2):
                await post_entry(
                    tx, context, EntryKind.ALLOCATION_MOVED, postings, actor=Actor.system(), item_id=uuid4()
                )
            raise RuntimeError("the transaction fails")
    async with context.database.transaction(organization_id, posting=True) as tx:
        await post_entry(tx, context, EntryKind.ALLOCATION_MOVED, postings, actor=Actor.system(), item_id=uuid4())
        assert await tx.fetchval("SELECT count(*) FROM posting WHERE amount = 1000") == 1
