"""The forms of a page as a browser would send them: hidden and filled fields, without those that are not chosen."""

from collections.abc import Mapping
from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        elif self.forms and tag == "input" and "name" in given:
            is_choice = given.get("type") in ("radio", "checkbox")
            if not is_choice or "checked" in given:
                self.forms[-1][1][given["name"]] = given.get("value", "")
        elif self.forms and tag == "textarea":
            self._area = given.get("name", "")
            self.forms[-1][1][self._area] = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1][1][self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""


def forms_of(page: str, ending: str) -> list[tuple[str, Mapping[str, str]]]:
    """Path and fields of every form of a page whose path ends so."""
    reader = _Reader()
    reader.feed(page)
    return [(path, fields) for path, fields in reader.forms if path.endswith(ending)]
