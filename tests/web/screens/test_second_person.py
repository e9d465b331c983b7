"""A second person decides at the cashier's screen: by PIN or password, with the right, not after many wrong ones."""

from collections.abc import AsyncIterator

import httpx
import pytest

from billing.core.actor import Role
from billing.organizations.service.passwords import Passwords
from tests.web.screens.morning import PIN, Morning, staffed
from tests.web.site import UNKNOWN_ID, Site
from tests.web.staff import Staff, location, signed_in, text_of

PASSWORD = "Mua thu Ha Noi 1946"


@pytest.fixture
async def morning(site: Site) -> AsyncIterator[Morning]:
    async with staffed(site) as opened:
        await opened.open()
        yield opened


async def void(morning: Morning, person: str, secret: str) -> httpx.Response:
    receipt = await morning.take(1_000)
    fields = {"void_reason": "nhầm người", "second_person": person, "second_secret": secret}
    return await morning.cashier.post(f"/receipts/{receipt['id']}/void-here", **fields)


async def give_secret(morning: Morning, person: Staff, column: str, secret: str) -> None:
    hashed = await Passwords(time_cost=1, memory_kib=64).hash(secret)
    await morning.site.as_owner(
        f"UPDATE sign_in_account SET {column} = $1 WHERE person_id = $2", hashed, person.person_id
    )


async def test_password_serves_as_well_as_the_pin(morning: Morning) -> None:
    await give_secret(morning, morning.head, "password_hash", PASSWORD)
    person = str(morning.head.person_id)

    answers = [await void(morning, person, secret) for secret in (PIN, PASSWORD)]

    assert all(location(answer).endswith("?voided") for answer in answers)


async def test_right_pin_is_refused_after_too_many_wrong_ones(morning: Morning) -> None:
    person = str(morning.head.person_id)

    wrong = [await void(morning, person, f"90817{number}") for number in range(5)]
    right = await void(morning, person, PIN)

    assert [answer.status_code for answer in (*wrong, right)] == [422] * 6
    assert "tài khoản đang khóa" in text_of(right.text)
    [row] = await morning.site.as_owner("SELECT count(*) AS voids FROM receipt_void")
    assert row["voids"] == 0


async def test_person_without_the_right_decides_nothing(morning: Morning) -> None:
    async with signed_in(morning.site, Role.TREASURER, name="Thủ quỹ Vân") as treasurer:
        await give_secret(morning, treasurer, "pin_hash", PIN)

        answer = await void(morning, str(treasurer.person_id), PIN)

    assert answer.status_code == 422
    assert "Vai trò của bạn không được làm việc này" in text_of(answer.text)


async def test_own_pin_is_no_second_one(morning: Morning) -> None:
    async with signed_in(morning.site, Role.CASHIER, Role.HEAD_CASHIER) as both:
        await give_secret(morning, both, "pin_hash", PIN)
        receipt = await morning.take(1_000)
        fields = {"void_reason": "nhầm người", "second_person": str(both.person_id), "second_secret": PIN}
        [row] = await morning.site.as_owner("SELECT cashier_id FROM shift")

        theirs = await both.post(f"/receipts/{receipt['id']}/void-here", **fields)
        own = await void(morning, str(row["cashier_id"]), PIN)

    assert location(theirs).endswith("?voided")
    assert own.status_code == 422


async def test_disabled_or_unknown_account_decides_nothing(morning: Morning) -> None:
    await morning.site.as_owner(
        "UPDATE sign_in_account SET disabled_at = now() WHERE person_id = $1", morning.head.person_id
    )

    answers = [await void(morning, person, PIN) for person in (str(morning.head.person_id), UNKNOWN_ID, "x")]

    assert [answer.status_code for answer in answers] == [422] * 3
