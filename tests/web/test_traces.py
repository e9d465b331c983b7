"""Traces of requests over a real socket: the stages of a callback, and what is in none of them."""

from billing.app import exporting_traces
from providers.sandbox.bank_simulator import Behaviour
from tests.builders import ACCOUNT_NAME, SANDBOX_SECRET, visit_document
from tests.collector import Received, collecting
from tests.web.site import Site

CALLBACK = "POST /callbacks/{organization}/{account}"


def tree(spans: list[Received], root: str) -> set[tuple[str, str | None]]:
    """Each span of the trace that begins with `root`, with its parent."""
    [first] = [each for each in spans if each.name == root]
    return {(each.name, each.parent) for each in spans if each.trace_id == first.trace_id}


async def test_stages_of_a_callback_and_its_transactions_are_one_trace(site: Site) -> None:
    intent = await site.open_intent()
    await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)  # opens the day, reads what is cached
    intent = await site.open_intent(ma_lk="LK0002")
    with collecting() as collector:
        with exporting_traces(collector.target()):
            [answer] = await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
        spans = collector.spans()

    assert answer.result == "ok"
    assert tree(spans, CALLBACK) == {
        (CALLBACK, None),
        ("callback account", CALLBACK),
        ("callback body", CALLBACK),
        ("callback verify", CALLBACK),
        ("callback apply", CALLBACK),
        ("callback batch", "callback apply"),
        ("transaction payments.service.apply_single.apply_single", "callback batch"),
    }
    [request] = [each for each in spans if each.name == CALLBACK]
    assert request.attributes.pop("vienphi.request_id")
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/callbacks/{organization}/{account}",
        "http.response.status_code": 200,
        "vienphi.organization_id": site.hospital.organization_id,
    }


async def test_nothing_of_a_person_a_payment_or_a_secret_is_sent(site: Site) -> None:
    """Requests that carry every kind of it, also in the query and in a forged header, also refused ones."""
    with collecting() as collector:
        with exporting_traces(collector.target(headers={"x-key": "hidden-word"})):
            intent = await site.open_intent()
            [answer] = await site.bank().pay(intent["instruction"]["qr_payload"], Behaviour.EXACT)
            await site.anonymous_client.post(f"{site.hospital.callback_path}?signature=0123secret", content=b"{")
            await site.anonymous_client.get("/nowhere/NGUYEN-VAN-THU")
            await site.client.post("/v1/visits", json=visit_document(MA_LK="LK0001", patient={"HO_TEN": 1}))
            forged = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "X-Request-Id": "forged-id"}
            await site.client.delete("/v1/visits?name=DN4791234567890", headers=forged)
            await site.client.get("/v1/visits", headers=forged)
        sent = b"".join(collector.bodies)
        spans = collector.spans()

    assert answer.result == "ok"
    assert {CALLBACK, "GET", "other", "GET /v1/visits", "POST /v1/visits", "POST /v1/intents"} <= {
        each.name for each in spans if each.parent is None
    }
    secrets = [site.hospital.key, SANDBOX_SECRET, "hidden-word", "0123secret", "forged-id", "DELETE"]
    persons = [
        "Nguyễn",
        "THU",
        "DN479",
        "LK0001",
        "Khám",
        intent["reference_code"],
        intent["instruction"]["qr_payload"],
    ]
    for text in [*secrets, *persons, ACCOUNT_NAME, "136000", "1" * 32, site.address.removeprefix("http://")]:
        assert text.encode() not in sent, text
    assert bytes.fromhex("1" * 32) not in sent
