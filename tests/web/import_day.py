"""Files of banks and providers over HTTP, once through every operation; API examples are recorded from it."""

from datetime import timedelta

import httpx

from tests.builders import ACCOUNT_NAME
from tests.reconciliation.statement_file import DAY, Line, statement_csv

BYTES = {"Content-Type": "application/octet-stream"}
REPORT = (
    "transaction,reference,status,amount,fee,bank_reference,occurred_at,paid_out_on\r\n"
    "SB00000000000001,,SUCCEEDED,136000,1500,FT00000000001,2026-11-02 08:15:30,2026-11-03\r\n"
)
FIRST = statement_csv(Line(amount=134_500, text="QUYET TOAN 02/11", reference="FT26307000001"))
LATER = statement_csv(Line(amount=-11_000, text="Phí dịch vụ", day=DAY + timedelta(days=2)), opening=140_000)
"""It does not continue the first statement."""


async def import_files(client: httpx.AsyncClient) -> None:
    """A settlement file and two statements with a gap between them."""
    for address, content in (
        (f"/v1/settlements?account={ACCOUNT_NAME}&file_name=report.csv", REPORT.encode()),
        ("/v1/bank-statements?file_name=later.csv", LATER),
        ("/v1/bank-statements?file_name=first.csv", FIRST),
    ):
        answer = await client.post(address, content=content, headers=BYTES)
        assert answer.status_code == 201, answer.text
        assert (await client.get(answer.headers["Location"])).status_code == 200
    await client.get("/v1/reconciliation-imports")
    await client.get("/v1/statement-breaks")
