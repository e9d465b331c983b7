"""The banks of VietQR codes by their six-digit BIN, read once from `banks.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Bank:
    """One bank or wallet of the NAPAS 247 network."""

    bin: str
    name: str


@cache
def banks() -> Mapping[str, Bank]:
    """Every known bank by BIN, in the order of the file."""
    listed = tomllib.loads(resources.files("providers").joinpath("banks.toml").read_text("utf-8"))["banks"]
    return MappingProxyType({bank_bin: Bank(bank_bin, name) for bank_bin, name in listed.items()})


def bank_of(bank_bin: str) -> Bank | None:
    """The bank of a BIN; None if the list does not contain it (the list may be outdated)."""
    return banks().get(bank_bin)
