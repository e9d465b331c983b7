"""Taking visits in over HTTP: what is answered, and every refusal with nothing written."""

import json
from collections.abc import Callable

import pytest

from tests.builders import DemoHospital, service_line, visit_document
from tests.web.site import Site, claim_file, problem, replaced

XML = {"Content-Type": "application/xml"}
JSON = {"Content-Type": "application/json"}


async def test_json_visit_is_priced_by_line_and_share(site: Site) -> None:
    answer = await site.client.post("/v1/visits", json=visit_document())

    assert answer.status_code == 201
    visit = answer.json()["visits"][0]
    assert answer.headers["Location"] == f"/v1/visits/{visit['id']}"
    assert (visit["ma_lk"], visit["version"], visit["findings"]) == ("LK0001", 1, [])
    assert visit["price"]["shares"] == {
        "patient": 136_000,
        "insurer": 464_000,
        "other": 0,
        "private": 0,
        "total": 600_000,
    }
    assert visit["price"]["totals"]["T_BNCCT"] == "116000.00"
    assert [line["T_BNTT"] for line in visit["price"]["lines"]] == ["0.00", "0.00", "0.00", "20000.00"]


async def test_known_visit_can_be_read_with_its_price(site: Site) -> None:
    visit_id = await site.record_visit()

    visit = await site.read(f"/v1/visits/{visit_id}")

    assert (visit["version"], visit["facility"], visit["findings"]) == (1, "01001", [])
    assert visit["document"]["MA_LK"] == "LK0001"
    assert visit["price"]["shares"]["patient"] == 136_000
    assert "patient" not in visit["document"], "personal data stays apart"


async def test_same_visit_again_is_nothing_new(site: Site) -> None:
    visit_id = await site.record_visit()

    async with site.nothing_written(but="idempotency_key"):
        again = await site.client.post("/v1/visits", json=visit_document())

    assert again.status_code == 200
    assert again.headers["Location"] == f"/v1/visits/{visit_id}"
    assert again.json()["visits"][0]["is_new_version"] is False


async def test_changed_visit_is_its_next_version(site: Site) -> None:
    visit_id = await site.record_visit()

    again = await site.client.post("/v1/visits", json=visit_document(NGAY_RA="202611021700"))

    assert again.status_code == 201
    assert [(visit["id"], visit["version"]) for visit in again.json()["visits"]] == [(visit_id, 2)]


async def test_claim_file_with_a_second_media_type_and_several_visits(site: Site) -> None:
    first, second = claim_file("kham-ngoai-tru.xml"), claim_file()
    hoso = second[second.index(b"<HOSO>") : second.index(b"</HOSO>") + len(b"</HOSO>")]
    both = first.replace(b"</HOSO>", b"</HOSO>" + hoso, 1).replace(b"<SOLUONGHOSO>1<", b"<SOLUONGHOSO>2<")

    answer = await site.client.post("/v1/visits", content=both, headers={"Content-Type": "text/xml; charset=utf-8"})

    assert answer.status_code == 201
    assert len(answer.json()["visits"]) == 2
    assert "Location" not in answer.headers


async def test_stated_total_that_differs_is_listed_and_the_visit_taken(site: Site) -> None:
    content = claim_file(edit=replaced("<T_BHTT>717743.9<", "<T_BHTT>717744.9<"))

    answer = await site.client.post("/v1/visits", content=content, headers=XML)

    assert answer.status_code == 201
    visit = answer.json()["visits"][0]
    assert "totals-differ" in [finding["code"] for finding in visit["findings"]]
    assert (await site.read(answer.headers["Location"]))["findings"] == visit["findings"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"<GIAMDINHHS><THONGTINHOSO>", 400, "table-not-wellformed"),
        (b"", 400, "file-not-wellformed"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c "x">]><GIAMDINHHS/>', 400, "dtd-forbidden"),
        (claim_file().replace(b"<NOIDUNGFILE>", b"<NOIDUNGFILE>%%%", 1), 422, "base64-damaged"),
        (claim_file(edit=replaced("</MA_LK>", "</MA_LK>&")), 422, "table-not-wellformed"),
        (claim_file(edit=replaced("GD4010000000002", "ZZ9010000000002")), 422, "benefit-digit-unknown"),
        (claim_file(edit=replaced("<SO_LUONG>1<", "<SO_LUONG>-1<")), 422, "value-invalid"),
        (claim_file(edit=replaced("<SO_LUONG>1<", "<SO_LUONG>1,500<")), 422, "number-ambiguous"),
    ],
    ids=["broken", "empty", "entities", "base64", "broken table", "card", "negative", "ambiguous"],
)
async def test_claim_file_that_cannot_be_read_is_refused(site: Site, content: bytes, status: int, code: str) -> None:
    async with site.nothing_written():
        answer = await site.client.post("/v1/visits", content=content, headers=XML)

    findings = problem(answer, status, "no_readable_visit")["findings"]
    assert code in [finding["code"] for finding in findings], findings


def _with_line(**changes: object) -> Callable[[], dict[str, object]]:
    return lambda: visit_document(lines=[{**service_line(1, name="Khám", group=13, price="50000"), **changes}])


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (_with_line(SO_LUONG="-1"), "lines[0].SO_LUONG"),
        (_with_line(SO_LUONG=-1), "lines[0].SO_LUONG"),
        (_with_line(SO_LUONG=True), "lines[0].SO_LUONG"),
        (_with_line(PHAM_VI="9"), "lines[0].PHAM_VI"),
        (_with_line(DON_GIA_BVV="1"), "lines[0].DON_GIA_BVV"),
        (_with_line(DON_GIA_BV="1e5"), "lines[0].DON_GIA_BV"),
        (lambda: visit_document(cards=[{"code": "ZZ9000", "valid_from": "2026-01-01"}]), "cards[0].code"),
        (lambda: visit_document(MA_LOAI_KCB="99"), "MA_LOAI_KCB"),
        (lambda: visit_document(NGAY_VAO="202613020800"), "NGAY_VAO"),
        (lambda: visit_document(facility_code="01002"), "MA_CSKCB"),
        (lambda: visit_document(ma_lk=""), "MA_LK"),
    ],
)
async def test_json_visit_with_a_wrong_field_is_refused_by_name(
    site: Site, document: Callable[[], dict[str, object]], field: str
) -> None:
    async with site.nothing_written():
        answer = await site.client.post("/v1/visits", json=document())

    assert answer.status_code == 422
    errors = problem(answer, 422, answer.json()["code"])["errors"]
    assert [error["field"] for error in errors] == [field]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"MA_LK": "1", "MA_LK": "2"}',
        b'{"lines": [{"stt": 1, "stt": 2}]}',
        b'{"MA_LK": NaN}',
        b'{"MA_LK": "\\ud800"}',
        b'{"MA_LK": "\\u0000"}',
        b"\xff\xfe{}",
        b"[" * 100_000,
        json.dumps(visit_document()).encode() + b"{}",
    ],
)
async def test_json_that_two_readers_would_read_differently_is_refused(site: Site, content: bytes) -> None:
    async with site.nothing_written():
        answer = await site.client.post("/v1/visits", content=content, headers=JSON)

    problem(answer, 400, "body_unreadable")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
async def test_other_media_type_or_encoding_is_refused(site: Site, headers: dict[str, str]) -> None:
    async with site.nothing_written():
        answer = await site.client.post("/v1/visits", content=b"{}", headers=headers)

    problem(answer, 415, "media_type_not_supported")


async def test_over_long_body_is_refused_before_it_is_read(site: Site) -> None:
    async def chunks() -> object:
        for _ in range(300):
            yield b" " * 4096

    async with site.nothing_written():
        declared = await site.client.post("/v1/visits", content=b" " * 1_048_577, headers=JSON)
        streamed = await site.client.post("/v1/visits", content=chunks(), headers=JSON)  # type: ignore[arg-type]

    problem(declared, 413, "body_too_large")
    problem(streamed, 413, "body_too_large")


@pytest.mark.parametrize("visit_id", ["1", "00000000-0000-0000-0000-000000000000", "%00", "urn:uuid:1"])
async def test_unknown_visit_is_not_found(site: Site, visit_id: str) -> None:
    problem(await site.client.get(f"/v1/visits/{visit_id}"), 404, "not_found")


async def test_visit_of_another_organization_does_not_exist(site: Site, other_organization: DemoHospital) -> None:
    visit_id = await site.record_visit()
    address = f"/v1/visits/{visit_id}"

    async with site.nothing_written():
        found = await site.anonymous_client.get(address, headers=other_organization.authorization)
        taken = await site.anonymous_client.post(
            "/v1/visits", json=visit_document(), headers=other_organization.authorization
        )

    problem(found, 404, "not_found")
    assert problem(taken, 422, "invalid_value")["errors"][0]["field"] == "MA_CSKCB"
    assert (await site.client.get(address)).status_code == 200


async def test_one_ma_lk_in_two_organizations_is_two_visits(site: Site, other_organization: DemoHospital) -> None:
    ours = await site.record_visit()

    answer = await site.anonymous_client.post(
        "/v1/visits", json=visit_document(facility_code="01002"), headers=other_organization.authorization
    )

    assert answer.status_code == 201
    assert answer.json()["visits"][0]["id"] != ours
