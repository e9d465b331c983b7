"""The frame of every screen: page and fragment, policy, texts, the bar by rights, pages of errors."""

import re
import string
import tomllib
from pathlib import Path

from billing.core.actor import Role
from billing.web.screens.navigation import BAR
from billing.web.screens.texts import ScreenLanguage, catalogue
from tests.web.site import Site
from tests.web.staff import signed_in, text_of

SCREENS = Path(__file__).parents[3] / "billing" / "web" / "screens"
_USED = re.compile(r"""\bt\(\s*["']([a-z_.]+)["'](?!\s*~)|_t\(\s*request,\s*["']([a-z_.]+)["']""")


async def test_page_without_session_leads_to_sign_in(site: Site) -> None:
    answer = await site.anonymous_client.get("/")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in?next=%2F"


async def test_page_states_person_and_hospital_under_a_strict_policy(site: Site) -> None:
    async with signed_in(site, Role.INTEGRATOR, name="Lê Thị Hoa") as staff:
        answer = await staff.client.get("/my/sessions")

    assert answer.status_code == 200
    assert "Lê Thị Hoa" in text_of(answer.text)
    assert "Bệnh viện 1" in text_of(answer.text)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", answer.text)


async def test_htmx_gets_the_part_of_the_page(site: Site) -> None:
    async with signed_in(site) as staff:
        part = await staff.client.get("/", headers={"HX-Request": "true"})
        restored = await staff.client.get("/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})

    assert "<html" not in part.text
    assert "<h1>" in part.text
    assert "<html" in restored.text


async def test_person_reads_the_screens_in_their_language(site: Site) -> None:
    async with signed_in(site, Role.INTEGRATOR, language="en", name="Anh Tuấn") as staff:
        page = await staff.page("/my/sessions")

    assert '<html lang="en">' in page
    assert "Anh Tuấn" in text_of(page)


async def test_name_with_markup_is_inert(site: Site) -> None:
    async with signed_in(site, Role.INTEGRATOR, name="<script>alert(1)</script>") as staff:
        page = await staff.page("/my/sessions")

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_languages_have_the_same_keys_and_placeholders() -> None:
    vietnamese, english = (catalogue(language) for language in ScreenLanguage)

    assert vietnamese.keys() == english.keys()
    for key, text in vietnamese.items():
        assert placeholders(text) == placeholders(english[key]), key


def test_templates_and_handlers_name_texts_of_the_catalogue() -> None:
    files = [*SCREENS.rglob("*.html"), *SCREENS.rglob("*.jinja"), *SCREENS.rglob("*.py")]
    used = {key for file in files for found in _USED.findall(file.read_text("utf-8")) for key in found if key}

    assert len(used) > 20
    assert sorted(used - catalogue(ScreenLanguage.VIETNAMESE).keys()) == []


def test_key_that_is_in_two_catalogues_has_one_text() -> None:
    for language in ScreenLanguage:
        texts: dict[str, str] = {}
        for file in sorted((SCREENS / "catalogues").glob(f"*.{language}.toml")):
            for area, entries in tomllib.loads(file.read_text("utf-8")).items():
                for name, text in entries.items():
                    assert texts.setdefault(f"{area}.{name}", text) == text, f"{file.name}: {area}.{name}"


def test_every_role_has_a_text() -> None:
    assert {f"role.{role.value}" for role in Role} <= catalogue(ScreenLanguage.VIETNAMESE).keys()


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_screen_of_the_bar_has_a_text() -> None:
    assert {key for _, key in BAR} <= catalogue(ScreenLanguage.VIETNAMESE).keys()
