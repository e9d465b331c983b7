"""`docs/cli.md` is generated from the commands and never differs from them."""

from tests.cli.cli_docs import PATH, write_page


def test_page_of_the_commands_is_what_the_commands_are() -> None:
    assert PATH.read_text("utf-8") == write_page(), "run: python -m tests.cli.cli_docs"
