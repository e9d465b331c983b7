"""Matching over HTTP, once through every operation; API examples are recorded from it."""

import secrets
from datetime import datetime
from typing import Any

import httpx

from billing.core.clock import business_date
from tests.builders import ACCOUNT_NAME
from tests.reconciliation.statement_file import Line, statement_csv
from tests.web.import_day import BYTES


async def send(client: httpx.AsyncClient, address: str, body: object) -> Any:
    answer = await client.post(address, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def match_lines(client: httpx.AsyncClient) -> None:
    """A line without a code is proposed, matched by hand and reverted; the rules find nothing else."""
    payments = (await client.get("/v1/payments")).json()["items"]
    payment = next(each for each in payments if each["method"] == "provider")
    day = business_date(datetime.fromisoformat(payment["occurred_at"]))
    content = statement_csv(Line(amount=payment["amount"], text="CHUYEN TIEN", day=day), opening=900_000)
    imported = await client.post("/v1/bank-statements?file_name=matched.csv", content=content, headers=BYTES)
    assert imported.status_code == 201, imported.text
    run = await send(client, "/v1/match-runs", {"import_id": imported.json()["file"]["id"]})
    await client.get(f"/v1/match-runs/{run['id']}")
    await client.get("/v1/match-runs")
    lines = (await client.get("/v1/statement-lines")).json()["items"]
    line = next(each for each in lines if each["amount"] == payment["amount"])
    proposals = (await client.get(f"/v1/statement-lines/{line['id']}/proposals")).json()["proposals"]
    chosen = next(each for each in proposals if each["id"] == payment["id"])
    items = [{"kind": chosen["kind"], "id": chosen["id"]}]
    match = await send(client, "/v1/matches", {"line_id": line["id"], "items": items, "reason": "sao kê giấy"})
    await client.get(f"/v1/matches/{match['id']}")
    await client.get("/v1/matches")
    contract = {"account": ACCOUNT_NAME, "valid_from": "2099-01-01", "pays_out": False}
    await send(client, "/v1/provider-contracts", contract)
    await client.get("/v1/provider-contracts")
    await send(client, "/v1/match-rule-sets", {"terms": {"payout": 3}, "cut_off": "16:30"})
    await client.get("/v1/match-rule-sets")
    await send(client, f"/v1/matches/{match['id']}/revert", {"reason": "khớp nhầm"})
