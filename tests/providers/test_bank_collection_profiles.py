"""Profiles of a hospital's own: other algorithms, other credentials, other shapes; and the bank's file of a day."""

import base64
import hashlib
import hmac
import json
from importlib import resources
from io import BytesIO
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from providers.bank_collection.profile import ProfileRefused, read_profile, shipped_profile
from providers.bank_collection.settlement import (
    Compared,
    OurReceipt,
    compare,
    read_file,
    record_checksum,
    write_answer,
)
from providers.contract import BadSignature, Callback, Reply, SettlementUnreadable
from tests.providers.bank_collection_samples import (
    AT,
    NOTIFY_PATH_SUFFIX,
    SIGNED,
    VECTORS,
    account,
    bidv_settings,
    delivery,
    notification,
    notify,
    one,
    settings,
    signature,
)

KEY = "FAKE_RECON_KEY"
FILE = next(each["input"]["text"] for each in VECTORS if each["id"] == "recon-in-file")
SECRET = "FAKE_AUTH_SECRET_0001"


def text_of(name: str) -> str:
    return (resources.files("providers.bank_collection") / "profiles" / f"{name}.toml").read_text("utf-8")


def with_profile(tmp_path: Any, name: str, *edits: tuple[str, str], **changed: Any) -> Any:
    """An account whose profile is a shipped one, edited."""
    text = text_of(name)
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "bank.toml"
    file.write_text(text, "utf-8")
    given = (bidv_settings if name.startswith("bidv") else settings)(profile="", profile_file=str(file), **changed)
    return account(given)


@pytest.mark.parametrize("name", ["vietinbank_collection", "bidv_collection"])
def test_shipped_profile_makes_sense(name):
    assert shipped_profile(name).name == name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('algorithm = "rsa_sha256"', 'algorithm = "none"'),
        ('algorithm = "rsa_sha256"', 'algorithm = "sha256"'),
        ('"bank_reference", "remark"]', '"unheard_of"]'),
        ('["transaction", "timestamp", "customer", "amount", "bank_reference", "remark"]', '["transaction", "remark"]'),
        ('dedupe = ["transaction"]', 'dedupe = ["message"]'),
        ('"errorCode" = "code"', '"errorCode" = "unheard_of"'),
        ('path_suffix = "api/v1/inq-bill"', 'path_suffix = "api/v1/notify-bill"'),
        ('auth = "none"', 'auth = "header"'),
        ("skips_empty = true", "skips_empty = "),
        ("[notification.fields]", "[notification.field]"),
    ],
)
def test_profile_that_makes_no_sense_is_refused(old, new):
    text = text_of("vietinbank_collection")
    assert old in text

    with pytest.raises(ProfileRefused):
        read_profile(text.replace(old, new))


# ---- algorithms


def test_sha1_is_taken_where_the_contract_is_old_and_only_there(tmp_path):
    bank = with_profile(tmp_path, "vietinbank_collection", ("rsa_sha256", "rsa_sha1"))
    document = notification()
    old = {"signature": signature("".join(document[name] for name in SIGNED), hashes.SHA1())}

    assert one(bank.read_callback(notify(after_signing=old)))
    with pytest.raises(BadSignature):
        bank.read_callback(notify())
    with pytest.raises(BadSignature):
        account().read_callback(notify(after_signing=old))


def paybill_signed(checksum: str) -> Callback:
    document = {
        "trans_id": "TB1",
        "trans_date": "20260102091530",
        "service_id": "999999",
        "bill_id": "K7ABCDEFR",
        "amount": "350000",
        "checksum": checksum,
    }
    return delivery("paybill", json.dumps(document))


@pytest.mark.parametrize(
    ("edits", "checksum"),
    [
        (
            [('algorithm = "sha256"', 'algorithm = "md5"')],
            hashlib.md5(b"FAKE_BIDV_SECRET|TB1|K7ABCDEFR|350000").hexdigest(),
        ),
        (
            [('key_stands = "first"', 'key_stands = "last"')],
            hashlib.sha256(b"TB1|K7ABCDEFR|350000|FAKE_BIDV_SECRET").hexdigest(),
        ),
        (
            [('algorithm = "sha256"', 'algorithm = "hmac_sha256"'), ('key_stands = "first"', ""), ("hex", "base64")],
            base64.b64encode(hmac.new(b"FAKE_BIDV_SECRET", b"TB1|K7ABCDEFR|350000", hashlib.sha256).digest()).decode(),
        ),
    ],
    ids=["md5", "secret last", "hmac"],
)
def test_keyed_hash_of_another_contract(tmp_path, edits, checksum):
    bank = with_profile(tmp_path, "bidv_collection", *edits)

    assert one(bank.read_callback(paybill_signed(checksum))).amount == 350_000
    with pytest.raises(BadSignature):
        account(bidv_settings()).read_callback(paybill_signed(checksum))


# ---- credentials of a call in addition to its signature


def shown(*headers: tuple[str, str], path_suffix: str = NOTIFY_PATH_SUFFIX) -> Callback:
    return delivery(path_suffix, notify().body.decode(), headers=headers)


def basic(secret: str) -> tuple[str, str]:
    return "authorization", "Basic " + base64.b64encode(f"bank:{secret}".encode()).decode()


def test_basic_header_and_token_are_wanted_with_the_signature(tmp_path):
    given = {"auth_name": "bank", "auth_secrets": SECRET}
    by_basic = with_profile(tmp_path, "vietinbank_collection", ('auth = "none"', 'auth = "basic"'), **given)
    assert one(by_basic.read_callback(shown(basic(SECRET))))
    for wrong in ([], [basic("wrong")], [basic(SECRET), basic(SECRET)]):
        with pytest.raises(BadSignature):
            by_basic.read_callback(shown(*wrong))

    by_header = with_profile(
        tmp_path, "vietinbank_collection", ('auth = "none"', 'auth = "header"\nauth_header = "x-key"'), **given
    )
    assert one(by_header.read_callback(shown(("x-key", SECRET))))
    with pytest.raises(BadSignature):
        by_header.read_callback(shown(("x-key", "wrong")))

    by_token = with_profile(
        tmp_path, "vietinbank_collection", ('auth = "none"', 'auth = "bearer"\ntoken_path_suffix = "token"'), **given
    )
    answer = by_token.read_callback(shown(basic(SECRET), path_suffix="token"))
    assert isinstance(answer, Reply)
    token = json.loads(answer.body)["access_token"]
    assert one(by_token.read_callback(shown(("authorization", f"Bearer {token}"))))
    for wrong in (shown(("authorization", "Bearer x")), shown(basic("wrong"), path_suffix="token")):
        with pytest.raises(BadSignature):
            by_token.read_callback(wrong)


def test_list_of_records_is_read_where_it_holds_one(tmp_path):
    edits = [(f'path = "{name}"', f'path = "records.0.{name}"') for name in ("trans_id", "bill_id", "amount")]
    bank = with_profile(tmp_path, "bidv_collection", *edits)
    record = {"trans_id": "TB1", "bill_id": "K7ABCDEFR", "amount": "350000"}
    checksum = hashlib.sha256(b"FAKE_BIDV_SECRET|TB1|K7ABCDEFR|350000").hexdigest()
    document = {"trans_date": "20260102091530", "checksum": checksum}

    assert one(bank.read_callback(delivery("paybill", json.dumps({**document, "records": [record]})))).amount == 350_000
    with pytest.raises(BadSignature):
        bank.read_callback(delivery("paybill", json.dumps({**document, "records": [record, record]})))


def test_numbers_that_restart_daily_carry_their_day(tmp_path):
    edit = ('dedupe = ["transaction"]', 'dedupe = ["transaction"]\nreferences_restart_daily = true')
    bank = with_profile(tmp_path, "vietinbank_collection", edit)

    assert "transaction:20260102:900000001" in one(bank.read_callback(notify())).movement_keys
    assert next(bank.read_settlement(BytesIO(FILE.encode()))).transaction == "20260102:900000001"


# ---- the file of a day


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("009|9999|user01|3", "009|9999|user01|4", 5),
        ("|120000|", "|120001|", 4),
        ("recordType|", "recordtype|", 1),
        ("e036da46", "e036da47", 2),
        ("\n009|9999|user01|3|20260103070000|3cb6e04105af44ef9320a20e672cabb3", "", 4),
    ],
)
def test_file_with_one_wrong_line_is_refused_whole(old, new, line):
    assert old in FILE
    with pytest.raises(SettlementUnreadable) as raised:
        list(account().read_settlement(BytesIO(FILE.replace(old, new).encode())))

    assert raised.value.line == line


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff", b"|"])
def test_what_is_no_file_is_refused(content):
    with pytest.raises(SettlementUnreadable):
        list(account().read_settlement(BytesIO(content)))


def test_file_is_not_read_without_its_key():
    with pytest.raises(SettlementUnreadable):
        account(reconciliation_key=None).read_settlement(BytesIO(FILE.encode()))


def test_our_answer_states_how_each_transaction_stands_and_its_checksums_hold():
    bank = read_file(FILE.encode(), KEY)
    first = bank.lines[0]
    assert first.occurred_at is not None
    ours = [
        OurReceipt(transaction=first.transaction, amount=first.amount, occurred_at=first.occurred_at),
        OurReceipt(transaction="900000010", amount=50_000, occurred_at=AT),
    ]

    answer = write_answer(bank, ours, KEY, user="user01", now=AT)

    decoded = {row["transId"]: row["status"] for row in read_file(answer, KEY).details}
    assert decoded == {"900000001": "00", "900000003": "01", "900000009": "01", "900000010": "02"}
    assert compare(bank.lines, ours)["900000010"] is Compared.ONLY_OURS
    assert record_checksum(["a", "b"], "k") == hashlib.md5(b"abk").hexdigest()
