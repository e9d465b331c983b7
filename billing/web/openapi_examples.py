"""The examples of the OpenAPI document, by operation: recorded from the running service by a test, never by hand."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

EXAMPLES_FILE = files("billing.web") / "openapi_examples.json"


@cache
def read_examples() -> Mapping[str, Mapping[str, Any]]:
    """`status`, `response` and, where one is sent, `request` of one exchange of each operation."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(EXAMPLES_FILE.read_text("utf-8"))
    return found
