"""The claim file of an invoice over HTTP: what was billed, with the person it is about, noted in the audit."""

import httpx
import pytest

from billing.visits.formats.xml130 import read_claim_file
from tests.builders import DemoHospital, visit_document
from tests.claims.formats.test_xml130_writer import only_row, rows
from tests.web.site import Site, claim_file, problem, replaced


async def bill_example(site: Site, content: bytes) -> str:
    """The address of the claim file of an invoice for the visit of a claim file."""
    taken = await site.client.post("/v1/visits", content=content, headers={"Content-Type": "application/xml"})
    visit_id = taken.json()["visits"][0]["id"]
    invoice = await site.client.post("/v1/invoices", json={"visit_id": visit_id})
    return f"/v1/invoices/{invoice.json()['id']}/claim.xml"


async def audited(site: Site) -> list[tuple[str, str]]:
    found = await site.as_owner("SELECT subject_kind, subject_id::text FROM audit WHERE action = 'claim_exported'")
    return [tuple(row) for row in found]


async def read_file(site: Site, address: str) -> httpx.Response:
    answer = await site.client.get(address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    return answer


async def test_visit_of_a_claim_file_is_claimed_with_what_it_came_in_with(site: Site) -> None:
    address = await bill_example(site, claim_file())

    answer = await read_file(site, address)

    (came,) = read_claim_file(claim_file()).visits
    (goes,) = read_claim_file(answer.content).visits
    assert read_claim_file(answer.content).findings == ()
    assert goes.visit.patient == came.visit.patient
    assert goes.visit.cards == came.visit.cards
    assert [item.stated for item in goes.visit.items] == [item.stated for item in came.visit.items]
    assert only_row(answer.content, "XML1")["CHAN_DOAN_RV"] == only_row(claim_file(), "XML1")["CHAN_DOAN_RV"] != ""
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="XML130-BK')
    assert answer.headers["Cache-Control"] == "no-store"


async def test_amounts_are_ours_where_the_file_stated_others(site: Site) -> None:
    wrong = claim_file(edit=replaced("<T_BNCCT>", "<T_BNCCT>9"))
    address = await bill_example(site, wrong)

    answer = await read_file(site, address)

    assert [row["T_BNCCT"] for row in rows(answer.content, "XML3")] != [row["T_BNCCT"] for row in rows(wrong, "XML3")]
    assert read_claim_file(answer.content).findings == ()


async def test_json_visit_is_claimed_with_the_submitted_fields(site: Site) -> None:
    invoice = await site.issue_invoice()

    answer = await read_file(site, f"/v1/invoices/{invoice['id']}/claim.xml")

    summary = only_row(answer.content, "XML1")
    assert (summary["HO_TEN"], summary["MA_THE_BHYT"]) == ("Nguyễn Văn Thử", "DN4791234567890")
    assert (summary["T_BNCCT"], summary["T_BNTT"], summary["T_BHTT"]) == ("116000.00", "20000.00", "464000.00")
    assert summary["CHAN_DOAN_RV"] == ""
    (read,) = read_claim_file(answer.content).visits
    assert len(read.visit.items) == len(invoice["lines"])


async def test_further_invoice_claims_the_whole_visit_and_the_first_what_it_billed(site: Site) -> None:
    first = await site.issue_invoice()
    document = visit_document()
    document["lines"].append({**document["lines"][1], "stt": 9})
    second = await site.issue_invoice(lines=document["lines"])

    files = [await read_file(site, f"/v1/invoices/{each['id']}/claim.xml") for each in (first, second)]

    visits = [read_claim_file(file.content).visits[0].visit for file in files]
    assert [len(visit.items) for visit in visits] == [4, 5]


async def test_each_export_is_audited_and_a_rejected_one_is_not(site: Site) -> None:
    invoice = await site.issue_invoice()
    address = f"/v1/invoices/{invoice['id']}/claim.xml"

    async with site.nothing_written(but="audit"):
        await read_file(site, address)
        await read_file(site, address)

    assert await audited(site) == [("invoice", invoice["id"])] * 2
    await site.without_guards("invoice", "UPDATE invoice SET state = 'discarded', issued_at = NULL")
    async with site.nothing_written():
        problem(await site.client.get(address), 409, "invoice_not_issued")


@pytest.mark.parametrize("table", ["visit_document", "visit_patient", "claim_file"])
async def test_visit_whose_personal_data_were_erased_is_refused(site: Site, table: str) -> None:
    address = await bill_example(site, claim_file())
    await site.as_owner(f"DELETE FROM {table}")

    async with site.nothing_written():
        problem(await site.client.get(address), 409, "visit_erased")


async def test_bill_that_fits_no_table_is_refused_by_field(site: Site) -> None:
    invoice = await site.issue_invoice(patient={"HO_TEN": "Nguyễn Văn Thử", "NGAY_SINH": "01/02/1980"})

    refusal = problem(await site.client.get(f"/v1/invoices/{invoice['id']}/claim.xml"), 409, "claim_not_writable")

    assert refusal["errors"][0]["field"] == "NGAY_SINH"
    assert "1980" not in refusal["detail"]


async def test_invoice_of_another_organization_does_not_exist(site: Site, other_organization: DemoHospital) -> None:
    invoice = await site.issue_invoice()
    address = f"/v1/invoices/{invoice['id']}/claim.xml"

    problem(await site.anonymous_client.get(address, headers=other_organization.authorization), 404, "not_found")
    problem(await site.anonymous_client.get(address), 401, "not_authenticated")
