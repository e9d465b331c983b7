"""Which addresses are connected to: every notation and network, at save and at each connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp import web

from providers.addresses import (
    AddressNotAllowed,
    AddressRefused,
    AddressRules,
    CheckedTransport,
    check_address,
    check_before_saving,
    check_settings,
    check_url,
    is_public,
    origin_of,
    safe_redirect,
)
from providers.http_call import RequestNotSent, call
from providers.http_client import ProviderClients

STRICT = AddressRules()
HERE = AddressRules(allow_private=True, allow_http=True)

PRIVATE_HOSTS = [
    *(
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "0",
        "0x",
    ),
    *("10.0.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "169.254.169.254", "168.63.129.16", "192.0.0.192"),
    *("198.18.0.1", "192.88.99.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "2852039166", "0xa9fea9fe", "01.1.1.1"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]"),
    *("[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]"),
    *("[fe80::1]", "[fe80::1%25eth0]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:0:1::1]"),
    *("[2001:db8::1]", "[3fff::1]", "[2a00::5efe:7f00:1]", "[2a00::200:5efe:a00:1]", "[::ffff:0:127.0.0.1]"),
    *(
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "bank.internal",
        "printer.local",
        "metadata.google.internal",
    ),
    *("\u0031\u0032\u0037.1", "\uff11\uff12\uff17.0.0.1", "%31%32%37.0.0.1", "\u2460\u2461\u2466.1"),
]


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_private_host_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(AddressRefused) as refusal:
        check_url(f"https://{host}/query", STRICT)

    assert host not in str(refusal.value) or len(host) < 3


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://bank.example/",
            "ftp://bank.example/",
            "file:///etc/passwd",
            "https://",
            "https:bank.example",
            "//b.vn",
        ),
        *("https://u:p@bank.example/", "https://@bank.example/", "https://bank.example@127.0.0.1/", "https://b.vn:0/"),
        *("https://bank.example:99999/", "https://bank.example/#a", "https://bank.example\\@127.0.0.1/", "gopher://a/"),
        *("https://bank.example/a b", "https://bank.example/\r\nX: 1", "https://bank.example/\t", " https://b.vn/"),
        *(
            "https://bank.example\x00/",
            "https://ngân-hàng.vn/",
            "https://[::1/",
            "https://[v1.a]/",
            "https://b\u3002vn/",
        ),
    ],
)
def test_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, STRICT)


@pytest.mark.parametrize(
    "url", ["https://api.bank.example/v1?a=1&b=2", "https://8.8.8.8:8443/", "https://[2405:4800::1]/x", "https://b.vn."]
)
def test_https_of_the_internet_is_allowed(url: str) -> None:
    check_url(url, STRICT)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/query", "http://10.1.2.3/", "https://localhost/", "http://[::1]/"]
)
def test_operators_setting_alone_allows_private_ranges_and_http(url: str) -> None:
    check_url(url, HERE)
    with pytest.raises(AddressRefused):
        check_url(url, AddressRules(allow_http=True))


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[::ffff:169.254.169.254]", "224.0.0.1"])
def test_metadata_and_link_local_are_refused_to_the_operator_too(host: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(f"http://{host}/", HERE)


@pytest.mark.parametrize("address", ["113.160.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_address_of_the_internet_is_public_also_inside_another(address: str) -> None:
    assert is_public(address)


def resolving(*answers: list[str]) -> tuple[Callable[[str, int], object], list[str]]:
    seen_hosts: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        seen_hosts.append(host)
        return answers[min(len(seen_hosts), len(answers)) - 1]

    return resolve, seen_hosts


@pytest.mark.parametrize("found", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"]])
async def test_name_that_leads_into_a_private_network_is_not_saved(found: list[str]) -> None:
    resolve, _ = resolving(found)

    with pytest.raises(AddressRefused):
        await check_before_saving("https://bank.example/", STRICT, resolve)  # type: ignore[arg-type]


async def test_name_that_leads_nowhere_yet_is_saved() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    await check_before_saving("https://bank.example/", STRICT, nowhere)


async def test_settings_are_refused_by_the_name_of_the_setting_also_inside_of_others() -> None:
    resolve, _ = resolving(["8.8.8.8"])

    await check_settings(
        {"api_url": "https://bank.example", "return_url": "http://10.0.0.1/paid", "n": 1, "text": "a: b"},
        STRICT,
        resolve,  # type: ignore[arg-type]
    )
    for settings, name in (
        ({"query_url": "http://127.0.0.1/"}, "query_url"),
        ({"report": {"hosts": ["https://bank.example", "https://[::1]/"]}}, "report.hosts"),
        ({"base_url": "HTTPS://u:p@bank.example"}, "base_url"),
        ({"return_url": "https://bank.example/;x y"}, "return_url"),
        ({"api_url": "gopher://bank.example"}, "api_url"),
    ):
        with pytest.raises(AddressRefused, match=f"^{name}: "):
            await check_settings(settings, STRICT, resolve)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(status: int = 200, headers: dict[str, str] | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["Host"])
        return web.Response(status=status, headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


def client(rules: AddressRules, resolve: object) -> httpx.AsyncClient:
    transport = CheckedTransport(
        rules,
        verify=ssl.create_default_context(),
        limits=httpx.Limits(),
        resolve=resolve,  # type: ignore[arg-type]
    )
    return httpx.AsyncClient(transport=transport, trust_env=False)


async def test_account_settings_that_lead_to_loopback_are_not_called() -> None:
    async with serving() as (port, seen), ProviderClients[str](addresses=AddressRules(allow_http=True)) as clients:
        for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
            line = clients.client(host)
            with pytest.raises(RequestNotSent, match="AddressNotAllowed"):
                await call(line, line.build_request("POST", f"http://{host}:{port}/"), timeout_s=5)

    assert seen == []


async def test_name_that_leads_to_another_address_after_the_check_is_connected_where_it_was_checked() -> None:
    resolve, seen_hosts = resolving(["127.0.0.1"], ["10.255.255.1"])
    async with serving() as (port, seen), client(HERE, resolve) as line:
        answer = await line.get(f"http://bank.example:{port}/")

    assert (answer.status_code, seen_hosts, seen) == (200, ["bank.example"], [f"bank.example:{port}"])


async def test_name_that_leads_into_a_private_network_at_the_second_connection_is_refused_then() -> None:
    public, seen_hosts = resolving(["8.8.8.8", "127.0.0.1"])
    async with serving() as (port, seen), client(AddressRules(allow_http=True), public) as line:
        with pytest.raises(AddressNotAllowed):
            await line.get(f"http://bank.example:{port}/")

    assert (seen_hosts, seen) == (["bank.example"], [])


async def test_address_that_takes_no_connection_leaves_the_next_one_to_be_tried() -> None:
    resolve, _ = resolving(["127.0.0.2", "127.0.0.1"])
    async with serving() as (port, seen), client(HERE, resolve) as line:
        answers = await asyncio.gather(*(line.get(f"http://bank.example:{port}/") for _ in range(3)))

    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(seen) == 3


async def test_redirect_into_a_private_network_is_not_followed() -> None:
    async with (
        serving() as (port, seen),
        serving(302, {"Location": f"http://127.0.0.1:{port}/"}) as (first, _),
        ProviderClients[str](addresses=HERE) as clients,
    ):
        line = clients.client("a")
        answer = await call(line, line.build_request("GET", f"http://127.0.0.1:{first}/"), timeout_s=5)

    assert (answer.status, seen) == (302, [])


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://pay.example/a?b=1#c", "https://pay.example"),
        ("https://pay.example:8443/a", "https://pay.example:8443"),
        ("https://checkout.stripe.com/c/pay/cs_test_a1#fidkdWxOYHwnPyd1blpxYHZxWjA0", "https://checkout.stripe.com"),
        ("https://[2405:4800::1]/", "https://[2405:4800::1]"),
    ],
)
def test_origin_of_a_redirect_is_its_host_alone(url: str, origin: str) -> None:
    assert (safe_redirect(url), origin_of(url)) == (url, origin)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://pay.example; script-src *",
            "https://pay.example;script-src%20*/",
            "https://pay.example/;script-src",
        ),
        *(
            "https://pay.example/\r\nSet-Cookie: a=1",
            "https://u:p@pay.example/",
            "https://pay.example\x0b/",
            "https://*/",
        ),
        *(
            "http://pay.example/",
            "javascript:alert(1)",
            "data:text/html,a",
            "https://",
            "//pay.example",
            "https://a,b/",
        ),
        *("https://'unsafe-inline'/", "https://pay.example:80 'self'/", "https://pay.example:x/", "", "https://a/#\n"),
    ],
)
def test_redirect_that_could_end_a_policy_or_a_header_is_none(url: str) -> None:
    assert (safe_redirect(url), origin_of(url)) == ("", "")


@pytest.mark.parametrize(
    "address",
    [
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2001:0:a9fe:a9fe::1",
    ],
)
def test_metadata_inside_an_ipv6_address_is_refused_where_private_ranges_are_allowed(address: str) -> None:
    """No operator's setting allows these, in whichever form of IPv6 they hide."""
    rules = AddressRules(allow_private=True, allow_http=True)

    with pytest.raises(AddressRefused):
        check_url(f"http://[{address}]/", rules)
    with pytest.raises(AddressRefused):
        check_address(address, rules)


def test_private_forms_of_ipv6_are_allowed_by_the_operators_setting() -> None:
    for address in ("::1", "fd00::1", "::ffff:10.0.0.1", "::10.0.0.1"):
        check_address(address, AddressRules(allow_private=True))
        with pytest.raises(AddressRefused):
            check_address(address, AddressRules())


def test_dummy_address_of_ipv4_is_not_public() -> None:
    assert not is_public("192.0.0.8")
