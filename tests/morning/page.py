"""A page as a browser sees it: its forms with the fields that would be sent, and what htmx requests by itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser

Fields = list[tuple[str, str]]
_UNSENT = frozenset({"submit", "button", "image", "reset"})
_PAY = '<section class="pay" id="pay"'


@dataclass(slots=True)
class PageForm:
    """A form: where it leads, its attributes, and the fields that a browser would send, in their order."""

    action: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    fields: Fields = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)

    def with_values(self, **values: str) -> dict[str, list[str]]:
        """The fields by name, those that a person fills in or chooses changed."""
        found: dict[str, list[str]] = {}
        for name, value in self.fields:
            found.setdefault(name, []).append(value)
        return found | {name: [value] for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Element:
    """An element that htmx requests something for."""

    tag: str
    attributes: Mapping[str, str]

    @property
    def method(self) -> str:
        return "POST" if "hx-post" in self.attributes else "GET"

    @property
    def address(self) -> str:
        return self.attributes.get("hx-post") or self.attributes.get("hx-get", "")

    @property
    def triggers(self) -> Sequence[str]:
        return [each.strip().split(" ")[0] for each in self.attributes.get("hx-trigger", "").split(",")]

    @property
    def target(self) -> str:
        return self.attributes.get("hx-target", "")


class _Reader(HTMLParser):
    """Collects forms, fields (also those of a form in another place of the page) and htmx elements."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self.elements: list[Element] = []
        self._owned: list[tuple[str, str, str]] = []
        self._inside: PageForm | None = None
        self._area: PageForm | None = None
        self._select: tuple[PageForm, str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "hx-get" in given or "hx-post" in given:
            self.elements.append(Element(tag, given))
        if tag == "form":
            self._inside = PageForm(given.get("action", ""), given)
            self.forms.append(self._inside)
        elif tag == "input":
            self._input(given)
        elif tag == "textarea" and self._inside is not None and "name" in given:
            self._inside.fields.append((given["name"], ""))
            self._area = self._inside
        elif tag == "select" and self._inside is not None and "name" in given:
            self._select = (self._inside, given["name"], [])
        elif tag == "option" and self._select is not None:
            self._select[2].append(given.get("value", ""))
            if "selected" in given:
                self._select[2].insert(0, given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None
        elif tag == "select" and self._select is not None:
            form, name, values = self._select
            form.choices[name] = list(dict.fromkeys(values))
            if values:
                form.fields.append((name, values[0]))
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            name, value = self._area.fields.pop()
            self._area.fields.append((name, value + data))

    def _input(self, given: Mapping[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "text")
        if not name or kind in _UNSENT or "disabled" in given:
            return
        owner = self._inside
        if kind in ("radio", "checkbox"):
            if owner is not None and not given.get("form"):
                owner.choices.setdefault(name, []).append(given.get("value", "on"))
            if "checked" not in given:
                return
        if given.get("form"):
            self._owned.append((given["form"], name, given.get("value", "on")))
        elif owner is not None:
            owner.fields.append((name, given.get("value", "")))

    def finish(self) -> None:
        by_id = {form.attributes.get("id"): form for form in self.forms}
        for owner, name, value in self._owned:
            if owner in by_id:
                by_id[owner].fields.append((name, value))


class Page:
    """The text of a page with what is in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        reader = _Reader()
        reader.feed(text)
        reader.finish()
        self.forms: Sequence[PageForm] = reader.forms
        self.elements: Sequence[Element] = reader.elements

    def forms_to(self, ending: str) -> list[PageForm]:
        """Every form whose address ends so."""
        return [form for form in self.forms if form.action.endswith(ending)]

    def form_to(self, ending: str) -> PageForm:
        """The first form whose address ends so. Raises LookupError."""
        for form in self.forms_to(ending):
            return form
        raise LookupError(f"the page has no form {ending!r}: {words(self.text)[:600]}")

    @property
    def pay_form(self) -> PageForm:
        """The form of the pay panel. Raises LookupError."""
        for form in self.forms:
            if form.attributes.get("id") == "pay-form":
                return form
        raise LookupError(f"the page has no pay form: {words(self.text)[:600]}")

    @property
    def state(self) -> str:
        """The state of the pay panel; empty on a page without one."""
        found = re.search(r'id="pay"[^>]*data-state="(\w+)"', self.text)
        return "" if found is None else found[1]

    @property
    def stream(self) -> str:
        """The address of the event stream; empty on a page without one."""
        found = re.search(r'sse-connect="([^"]+)"', self.text)
        return "" if found is None else unescape(found[1])

    def loading(self) -> Iterator[Element]:
        """What htmx requests as soon as the page is shown."""
        return (each for each in self.elements if "load" in each.triggers)

    def awaiting(self) -> Iterator[Element]:
        """What htmx requests at each message of the event stream."""
        return (each for each in self.elements if "sse:message" in each.triggers)

    def with_pay(self, section: str) -> "Page":
        """The page after its pay panel was replaced."""
        start = self.text.index(_PAY)
        end = self.text.index("</section>", start) + len("</section>")
        new = section.index(_PAY)
        return Page(self.text[:start] + section[new : section.index("</section>", new) + 10] + self.text[end:])

    def amounts(self) -> dict[str, int]:
        """The rows of the pay panel's sums: the words of each and its amount in đồng."""
        panel = self.text[self.text.index(_PAY) :] if _PAY in self.text else self.text
        rows = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", panel, re.DOTALL)
        return {words(name): number for name, value in rows if (number := read_dong(words(value))) is not None}


def words(text: str) -> str:
    """The words of a page without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def read_dong(text: str) -> int | None:
    """The amount that a page shows as `152.000 đ`, `-152.000`; None where it is none."""
    found = re.match(r"([-−]?)([0-9]{1,3}(?:\.[0-9]{3})*|[0-9]+)(?![0-9])", text)
    if found is None:
        return None
    return int(found[2].replace(".", "")) * (-1 if found[1] else 1)
