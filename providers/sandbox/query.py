"""Status queries to the sandbox bank, and its record of transactions that answers them.

POST {"merchant_id": …, "reference": …}     signed like a callback
200  {"transactions": [message, …]}         signed; each message as in its callback
404  {"result": "not_found"}                signed
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.contract import Notice, Notices, Outcome, PendingPayment
from providers.http_call import RequestNotSent, ResponseUnknown, call
from providers.notices import status_only
from providers.sandbox.bank_day import CardPayment, FileFault, FileTerms, Transfer
from providers.sandbox.day_files import DayFiles
from providers.sandbox.message import (
    SIGNATURE_HEADER,
    SandboxMessage,
    SandboxSettings,
    is_signed,
    signature_header,
)
from providers.signing import read_json_object
from providers.strict_json import NotStrictJson

_TRANSACTIONS_MAX = 20


class _Question(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    merchant_id: str = Field(max_length=40)
    reference: str = Field(min_length=1, max_length=40)


class _Found(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    transactions: tuple[SandboxMessage, ...] = Field(min_length=1, max_length=_TRANSACTIONS_MAX, strict=False)


async def query_bank(
    client: httpx.AsyncClient,
    settings: SandboxSettings,
    known: PendingPayment,
    read_notice: Callable[[SandboxMessage], Notice],
) -> Notices:
    """Query, verify the answer and read it; every other result than an authentic answer is UNKNOWN."""
    body = _body({"merchant_id": settings.merchant_id, "reference": known.reference})
    headers = {
        "content-type": "application/json",
        SIGNATURE_HEADER: signature_header(settings.key, known.queried_at, body),
    }
    request = client.build_request("POST", settings.query_url, content=body, headers=headers)
    try:
        response = await call(client, request, timeout_s=settings.timeout_s, is_retryable=True)
    except (RequestNotSent, ResponseUnknown):
        return Notices((status_only(known, Outcome.UNKNOWN),))
    status, answer = response.status, response.body
    if not is_signed(settings, response.headers.get(SIGNATURE_HEADER), answer, at=known.queried_at):
        return Notices((status_only(known, Outcome.UNKNOWN),), answer)
    if status == 404:
        return Notices((status_only(known, Outcome.NOT_FOUND),), answer)
    try:
        found = _Found.model_validate(read_json_object(answer)) if status == 200 else None
    except (NotStrictJson, ValidationError):
        found = None
    if found is None:
        return Notices((status_only(known, Outcome.UNKNOWN),), answer)
    return Notices(tuple(read_notice(message) for message in found.transactions), answer)


@dataclass(frozen=True, slots=True)
class QueryResponse:
    """The answer to one query."""

    status: int
    headers: dict[str, str]
    body: bytes


class TransactionLog:
    """The transactions of the bank simulator, readable by clients with the secret of the account.

    `transfers` and `cards` are what the files of its days are written from.
    """

    def __init__(self, settings: SandboxSettings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self.transfers: list[Transfer] = []
        self.cards: list[CardPayment] = []

    def write(self, message: SandboxMessage, fault: FileFault | None = None) -> None:
        """Record a transfer, with the fault of its files."""
        self.transfers.append(Transfer(message=message, fault=fault))

    def files(self, terms: FileTerms) -> DayFiles:
        """The files of every day until now."""
        return DayFiles(self._settings.account_number, self.transfers, self.cards, terms)

    def find(self, reference: str) -> Sequence[SandboxMessage]:
        """The transactions whose field or text carries a reference, oldest first."""
        messages = (transfer.message for transfer in self.transfers)
        return [message for message in messages if message.reference == reference or reference in message.content]

    def answer(self, body: bytes, signature: str | None) -> QueryResponse:
        """Answer a query like the bank's server."""
        if not is_signed(self._settings, signature, body, at=self._clock()):
            return self._signed(401, {"result": "bad_signature"})
        try:
            question = _Question.model_validate(read_json_object(body))
        except (NotStrictJson, ValidationError):
            return self._signed(422, {"result": "unreadable"})
        found = self.find(question.reference)[:_TRANSACTIONS_MAX]
        if question.merchant_id != self._settings.merchant_id or not found:
            return self._signed(404, {"result": "not_found"})
        return self._signed(200, {"transactions": [message.model_dump(mode="json") for message in found]})

    def _signed(self, status: int, content: dict[str, object]) -> QueryResponse:
        body = _body(content)
        signature = signature_header(self._settings.key, self._clock(), body)
        return QueryResponse(status, {"content-type": "application/json", SIGNATURE_HEADER: signature}, body)


def _body(content: dict[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
