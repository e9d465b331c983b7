"""Calls of a Stripe-compatible server: single calls, and its lists.

A refusal is an answer: a status of 4xx with an error object, which states that the server did nothing. A temporary
refusal, or one after a possible earlier start (409, 429, a key that was used with other fields), is no answer.
Source: Stripe API 2024-06-20, errors, idempotent requests, pagination.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import httpx

from providers.http_call import ResponseUnknown, call
from providers.settings import current_secret
from providers.signing import BODY_SIZE_MAX, read_json_object
from providers.strict_json import NotStrictJson
from providers.stripe.parsing import Object, identifier, listed, timestamp
from providers.stripe.settings import StripeSettings

_LIST_SIZE_MAX = 1024 * 1024
_PAGE = 100
_CLOCKS_APART = timedelta(minutes=5)
_DONE = frozenset({200, 201})
_PASSING = frozenset({408, 409, 425, 429})
_CODE = re.compile(r"[a-z0-9_]{1,60}")


@dataclass(frozen=True, slots=True)
class StripeResponse:
    """The server's answer; `code` is its code of a refusal, never its message, which may repeat our data."""

    status: int
    content: Object
    evidence: bytes

    @property
    def is_refusal(self) -> bool:
        return self.status not in _DONE

    @property
    def error(self) -> Object | None:
        error = self.content.get("error")
        return error if isinstance(error, Mapping) else None

    @property
    def code(self) -> str:
        error = self.error or {}
        words = [error.get(name) for name in ("code", "type")]
        return next((each for each in words if isinstance(each, str) and _CODE.fullmatch(each)), "error")


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of a list. `is_whole` is whether an object that is not among them does not exist."""

    objects: tuple[Object, ...]
    evidence: bytes
    is_whole: bool


class Server:
    """One account at one server."""

    def __init__(self, settings: StripeSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def get(self, path: str, number: str) -> StripeResponse:
        """One object by its id. Raises RequestNotSent and ResponseUnknown."""
        return await self._call("GET", f"{path}/{quote(number, safe='')}")

    async def post(self, path: str, fields: Mapping[str, str], *, key: str) -> StripeResponse:
        """Start or end an object; the server recognises a repeat by its key, if it supports keys. Raises RequestNotSent
        and ResponseUnknown.
        """
        return await self._call("POST", path, fields=fields, key=key)

    async def list(self, path: str, filters: Mapping[str, str], *, since: datetime | None = None) -> Listing:
        """A list, as far back as `since`, in few pages. Not whole if the server refuses to list.

        Only filters that every server supports are used. Raises RequestNotSent and ResponseUnknown.
        """
        objects: list[Object] = []
        after: dict[str, str] = {}
        evidence = b""
        for _ in range(self._settings.list_pages_max):
            response = await self._call("GET", path, query={**filters, "limit": str(_PAGE), **after})
            if response.is_refusal:
                return Listing(tuple(objects), response.evidence, is_whole=False)
            if not isinstance(response.content.get("data"), list):
                raise ResponseUnknown("no list")
            page, evidence = listed(response.content), response.evidence
            objects += page
            if response.content.get("has_more") is not True:
                return Listing(tuple(objects), evidence, is_whole=True)
            if since is not None and _goes_beyond(page, since):
                return Listing(tuple(objects), evidence, is_whole=True)
            try:
                after = {"starting_after": identifier(page[-1] if page else {})}
            except ValueError as error:
                raise ResponseUnknown(str(error)) from error
        return Listing(tuple(objects), evidence, is_whole=False)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        key: str = "",
    ) -> StripeResponse:
        settings = self._settings
        headers = {"Authorization": f"Bearer {current_secret(settings.secret_key).decode('utf-8')}"}
        if settings.api_version:
            headers["Stripe-Version"] = settings.api_version
        if key:
            headers["Idempotency-Key"] = key
        request = self._client.build_request(
            method, settings.base_url + path, params=query, data=fields, headers=headers
        )
        size_max = BODY_SIZE_MAX if query is None else _LIST_SIZE_MAX
        answer = await call(self._client, request, timeout_s=settings.timeout_s, size_max=size_max)
        if answer.status in _PASSING or not (answer.status in _DONE or 400 <= answer.status < 500):
            raise ResponseUnknown(f"status {answer.status}")
        try:
            content = read_json_object(answer.body, size_max=size_max)
        except NotStrictJson as error:
            raise ResponseUnknown(str(error)) from error
        response = StripeResponse(answer.status, content, answer.body)
        if response.is_refusal and response.error is None:
            raise ResponseUnknown(f"status {answer.status} without an error of the server's")
        if response.error is not None and response.error.get("type") == "idempotency_error":
            raise ResponseUnknown("the key was used for something else")
        return response


def _goes_beyond(page: list[Object], since: datetime) -> bool:
    """Whether a page of a list in descending order has passed a timestamp; servers may list in any order."""
    timestamps = [made_at for each in page if (made_at := timestamp(each.get("created"))) is not None]
    is_newest_first = len(timestamps) == len(page) and timestamps == sorted(timestamps, reverse=True)
    return is_newest_first and timestamps[0] > timestamps[-1] and timestamps[-1] < since - _CLOCKS_APART
