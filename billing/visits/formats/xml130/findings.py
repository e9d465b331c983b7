"""Collect findings while a claim file is read: a log with the current place in the file."""

from dataclasses import dataclass, field, replace
from typing import Self

from billing.visits.domain.finding import Finding, FindingCode

FOUND_LENGTH_MAX = 200


@dataclass(slots=True)
class FindingLog:
    """Findings of one place; narrower places (`at_table`, `at_line`) write into the same list."""

    file: str
    hoso: int | None = None
    table: str = ""
    stt: int | None = None
    findings: list[Finding] = field(default_factory=list)

    def at_table(self, table: str) -> Self:
        return replace(self, table=table, stt=None)

    def at_line(self, table: str, stt: int | None) -> Self:
        return replace(self, table=table, stt=stt)

    def add(
        self, code: FindingCode, *, field: str = "", found: str = "", expected: str = "", line: int | None = None
    ) -> None:
        """Log one finding here; long values are truncated, `named` fills in the visit key.

        A `line` of text is also stated in `found`, which is displayed.
        """
        if line is not None:
            found = f"line {line}: {found}"
        self.findings.append(
            Finding(
                code=code,
                file=self.file,
                hoso=self.hoso,
                ma_lk="",
                table=self.table,
                stt=self.stt,
                field=field,
                found=found[:FOUND_LENGTH_MAX],
                expected=expected[:FOUND_LENGTH_MAX],
                line=line,
            )
        )

    @property
    def refuses(self) -> bool:
        return any(finding.refuses for finding in self.findings)

    def named(self, ma_lk: str) -> tuple[Finding, ...]:
        """The logged findings with the visit key, which is known only after XML1 was read."""
        return tuple(replace(finding, ma_lk=ma_lk) for finding in self.findings)
