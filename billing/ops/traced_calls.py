"""Spans of the calls to providers. No `traceparent` goes out: a bank learns nothing of our traces.

Source: docs/decisions/0028-traces.md.
"""

import httpx

from billing.core.ids import ProviderAccountId
from billing.tracing import SpanKind, span


class TracedTransport(httpx.AsyncBaseTransport):
    """Records each call of one account, with waits and retries, until the headers of the answer.

    Recorded are account, method and status, never the address: its path and query may hold ids and signatures.
    """

    def __init__(self, account_id: ProviderAccountId, inner: httpx.AsyncBaseTransport) -> None:
        self._account_id = account_id
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request by the inner transport."""
        with span("provider call", SpanKind.CLIENT, account_id=self._account_id, method=request.method) as call:
            response = await self._inner.handle_async_request(request)
            call.set(status=response.status_code)
            return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()
