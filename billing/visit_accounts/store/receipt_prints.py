"""The printed form of receipts: what stands on the paper besides the money, and the stored form."""

from collections.abc import Mapping

from billing.core.ids import ReceiptId
from billing.db.database import Transaction
from billing.visit_accounts.domain.desk_visit import mask_card
from billing.visit_accounts.domain.receipt import Receipt

# The amounts of a slip are sums of lines, rounded once; the patient's are the whole đồng that were requested.
_HEAD = """
    SELECT organization.name AS organization, organization.tax_code, facility.name AS facility, facility.phone,
        visit.ma_lk, coalesce(patient.name, identity.document ->> 'HO_TEN', '') AS patient,
        coalesce(left(identity.document ->> 'NGAY_SINH', 4), '') AS birth_year,
        coalesce(identity.document ->> 'GIOI_TINH', '') AS sex,
        coalesce(header.document #>> '{cards,-1,code}', '') AS card,
        coalesce(account.department, '') AS department, coalesce(invoice.number, '') AS invoice,
        coalesce(desk.name, '') AS desk, coalesce(cashier.name, '') AS cashier,
        (SELECT coalesce(jsonb_agg(to_jsonb(slip) ORDER BY slip.order), '[]') FROM (
            SELECT charge.order_number AS order, min(charge.department) AS department,
                array_agg(DISTINCT charge.document ->> 'MA_NHOM') AS cost_groups, count(*)::int AS count,
                round(coalesce(sum(charge.hospital_amount), 0))::bigint AS hospital,
                round(coalesce(sum(charge.insurer_amount), 0))::bigint AS insurer,
                round(coalesce(sum(charge.other_amount), 0))::bigint AS other,
                sum(line.amount)::bigint AS patient
            FROM deposit_request_line AS line
            JOIN charge_item AS charge ON charge.organization_id = $1 AND charge.visit_id = line.visit_id
                AND charge.line = line.line
            WHERE line.organization_id = $1 AND line.request_id = $3
            GROUP BY charge.order_number) AS slip) AS slips,
        coalesce(request.received, 0) AS received, coalesce(request.amount, 0) AS requested
    FROM visit
    JOIN organization ON organization.id = $1
    JOIN facility ON facility.organization_id = $1 AND facility.id = visit.facility_id
    LEFT JOIN visit_patient AS patient ON patient.organization_id = $1 AND patient.visit_id = visit.id
    LEFT JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = visit.id
    LEFT JOIN visit_header AS header ON header.organization_id = $1 AND header.visit_id = visit.id
    LEFT JOIN patient_identity AS identity ON identity.organization_id = $1 AND identity.patient_id = account.patient_id
    LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = $4
    LEFT JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = $3
    LEFT JOIN shift ON shift.organization_id = $1 AND shift.id = $5
    LEFT JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    LEFT JOIN person AS cashier ON cashier.organization_id = $1 AND cashier.id = $6
    WHERE visit.organization_id = $1 AND visit.id = $2
"""


_HEAD_OF_DESK = """
    SELECT organization.name AS organization, organization.tax_code, facility.name AS facility, facility.phone,
        desk.name AS desk, coalesce(cashier.name, '') AS cashier
    FROM shift
    JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    JOIN facility ON facility.organization_id = $1 AND facility.id = desk.facility_id
    JOIN organization ON organization.id = $1
    LEFT JOIN person AS cashier ON cashier.organization_id = $1 AND cashier.id = $3
    WHERE shift.organization_id = $1 AND shift.id = $2
"""


async def read_print_head(tx: Transaction, receipt: Receipt) -> dict[str, object]:
    """The names, order slips and places that a receipt shows; the place alone for a receipt without a visit."""
    if receipt.visit_id is None:
        place = await tx.fetchrow(_HEAD_OF_DESK, tx.organization_id, receipt.shift_id, receipt.issued_by)
        return {} if place is None else {**place}
    row = await tx.fetchrow(
        _HEAD,
        tx.organization_id,
        receipt.visit_id,
        receipt.deposit_request_id,
        receipt.invoice_id,
        receipt.shift_id,
        receipt.issued_by,
    )
    if row is None:
        return {}
    received, requested = row["received"], row["requested"]
    head = {name: value for name, value in row.items() if name not in ("received", "requested")}
    if requested:
        head |= {"covered": max(0, received - receipt.amount), "still_due": max(0, requested - received)}
    return {**head, "card": mask_card(row["card"])}


_PRINT = """
    SELECT document FROM receipt_print WHERE organization_id = $1 AND receipt_id = $2
"""


async def read_print(tx: Transaction, receipt_id: ReceiptId) -> Mapping[str, object] | None:
    """The receipt as it was printed; None once erased, or for an unused number."""
    document: Mapping[str, object] | None = await tx.fetchval(_PRINT, tx.organization_id, receipt_id)
    return document


_BY_ADDRESS = """
    SELECT receipt_id FROM receipt_print
    WHERE organization_id = $1 AND document ? 'token' AND document ->> 'token' = $2
"""


async def find_by_token(tx: Transaction, token: str) -> ReceiptId | None:
    """The receipt whose public address has a token; None once its printed form is erased."""
    found = await tx.fetchval(_BY_ADDRESS, tx.organization_id, token)
    return None if found is None else ReceiptId(found)
