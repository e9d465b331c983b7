"""Hashes of passwords: argon2id, one form of a text for every keyboard, and a limit of those that wait."""

import asyncio

import pytest

from billing.core.errors import Unavailable
from billing.organizations.service.passwords import Passwords


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(time_cost=1, memory_kib=8)


async def test_password_is_stored_as_argon2id_with_the_costs_of_the_decision() -> None:
    stored = await Passwords().hash("Quầy ba mở ca sáng")

    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=1$")


async def test_two_hashes_of_one_password_differ_and_both_match(passwords: Passwords) -> None:
    first, second = await passwords.hash("Quầy ba"), await passwords.hash("Quầy ba")

    assert first != second
    assert await passwords.verify(first, "Quầy ba")
    assert await passwords.verify(second, "Quầy ba")
    assert not await passwords.verify(first, "Quầy bốn")


async def test_marks_apart_from_their_letters_are_the_same_password(passwords: Passwords) -> None:
    stored = await passwords.hash("Qu\u1ea7y")  # ầ as one character

    assert await passwords.verify(stored, "Qua\u0302\u0300y")


async def test_no_account_is_verified_as_long_and_never_matches(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "no password has this hash")


async def test_hash_of_another_kind_matches_nothing(passwords: Passwords) -> None:
    assert not await passwords.verify("$argon2id$v=19$m=65536,t=3,p=1$", "Quầy ba")


async def test_more_than_fifty_waiting_are_rejected() -> None:
    passwords = Passwords(time_cost=1, memory_kib=8)

    answers = await asyncio.gather(*(passwords.hash("Quầy ba") for _ in range(60)), return_exceptions=True)

    assert sum(isinstance(each, Unavailable) for each in answers) == 10
    assert isinstance(await passwords.hash("Quầy ba"), str)
