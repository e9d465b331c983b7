"""A form that is sent after its session has ended is kept, and recorded once after the sign-in."""

import re
from html import unescape

from tests.web.screens.test_sign_in import LOGIN, add_account, browser, enter, token_of
from tests.web.site import Site
from tests.web.staff import PASSWORD, location

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
_ENDED = "UPDATE screen_session SET ended_at = now() WHERE ended_at IS NULL"


def hidden(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in _HIDDEN.findall(page)}


async def test_form_comes_back_after_the_sign_in_with_its_key(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        await enter(client)
        token = token_of((await client.get("/my/sessions")).text)
        await site.as_owner(_ENDED)
        sent = {"csrf_token": token, "idempotency_key": "key-of-the-form-1234", "language": "en"}
        prompted = await client.post("/my/language", data=sent)
        resumed = await enter(client, **hidden(prompted.text))
        action = re.findall(r'<form method="post" action="(/my/[a-z]+)">', resumed.text)
        fields = hidden(resumed.text.partition("/my/language")[2])
        before = (await client.get("/my/sessions")).text
        answer = await client.post("/my/language", data=fields)
        after = (await client.get("/my/sessions")).text

    assert prompted.status_code == 401
    assert token not in prompted.text
    assert action == ["/my/language"]
    assert fields["idempotency_key"] == "key-of-the-form-1234"
    assert '<html lang="vi">' in before
    assert location(answer) == "/my/sessions"
    assert '<html lang="en">' in after


async def test_wrong_password_keeps_the_form_too(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        prompted = await client.post("/my/language", data={"language": "en", "note": 'dấu " và <b>'})
        wrong = await enter(client, password="khong dung mat khau", **hidden(prompted.text))

    assert wrong.status_code == 422
    assert hidden(wrong.text)["kept.note"] == 'dấu " và <b>'


async def test_secret_of_a_second_person_is_not_kept(site: Site) -> None:
    """The page after the sign-in shows what is sent again: it never shows the PIN of somebody else."""
    await add_account(site)
    async with browser(site) as client:
        sent = {"second_secret": "258036", "new_password": "mat khau moi 36", "pin": "135799", "void_reason": "sai số"}
        prompted = await client.post("/my/language", data=sent)
        resumed = await enter(client, **hidden(prompted.text))

    assert "sai số" in resumed.text
    for page in (prompted.text, resumed.text):
        assert not [secret for secret in ("258036", "mat khau moi 36", "135799") if secret in page]


async def test_form_of_another_site_is_not_kept(site: Site) -> None:
    async with browser(site) as client:
        answer = await client.post("/my/language", data={"language": "en"}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert "kept." not in answer.text


async def test_htmx_form_stays_under_the_sign_in_and_gets_a_new_token(site: Site) -> None:
    await add_account(site)
    async with browser(site) as client:
        htmx = {"HX-Request": "true"}
        prompted = await client.post("/my/language", data={"language": "en"}, headers=htmx)
        form = {"login_name": LOGIN, "password": PASSWORD, "page_login": LOGIN}
        entered = await client.post("/sign-in", data=form, headers=htmx)
        other = await client.post("/sign-in", data={**form, "page_login": "mai.do"}, headers=htmx)

    assert prompted.status_code == 401
    assert prompted.headers["HX-Retarget"] == "#session-dialog"
    assert "session-renewed" in entered.headers["HX-Trigger"]
    assert "HX-Redirect" not in entered.headers
    assert other.headers["HX-Redirect"] == "/"
