"""`make sizing`: cores, disk and WAL of a hospital and of a province, from measured costs and stated assumptions.

The assumptions are parameters (`--set outpatients_a_day=1500`), not facts: nobody measured a hospital here. The costs
are measured on this machine (`--visits`), or read from an earlier run (`--measured FILE`); `--json FILE` writes them.
The report goes to the output as Markdown. Page: docs/sizing.md.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from billing.ops.retention import Retention
from tests.bench.sizing_measure import Cost, Measured, measure

_GIB = 1 << 30
_YEAR_DAYS = 365
_RETENTION = Retention()

KEPT_DAYS: Mapping[str, float] = {
    "idempotency_key": _RETENTION.idempotency_days,
    "webhook_delivery": _RETENTION.delivered_days,
    "delivery_body": _RETENTION.body_days,
    "payment_origin": _RETENTION.payer_days,
    "statement_line_text": _RETENTION.payer_days,
    "visit_document": _RETENTION.document_years * _YEAR_DAYS,
    "visit_patient": _RETENTION.document_years * _YEAR_DAYS,
    "visit_header": _RETENTION.document_years * _YEAR_DAYS,
}
"""Days that the rows of a table are kept by default (docs/personal-data.md); every other table grows without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What a hospital of 500 beds does; every value is assumed. Times of a day; shares between 0 and 1.

    `peak_share` is the part of a day's work in its busiest hour, `load_max` the part of a core that may be busy then.
    """

    outpatients_a_day: float = 2_000
    admissions_a_day: float = 75
    outpatient_lines: float = 8
    inpatient_lines: float = 120
    outpatient_payments: float = 1.5
    inpatient_payments: float = 4
    transfer_share: float = 0.7
    days_a_year: float = 310
    desk_pages_a_visit: float = 6
    pay_pages_a_payment: float = 2
    peak_share: float = 0.18
    load_max: float = 0.5
    years: float = 10

    @property
    def visits(self) -> float:
        return self.outpatients_a_day + self.admissions_a_day

    @property
    def acts(self) -> Mapping[str, float]:
        """How often each measured act happens on a day."""
        payments = (
            self.outpatients_a_day * self.outpatient_payments + self.admissions_a_day * self.inpatient_payments
        ) * self.transfer_share
        return {
            "visit": self.visits,
            "line": self.outpatients_a_day * self.outpatient_lines + self.admissions_a_day * self.inpatient_lines,
            "payment": payments,
            "statement_line": payments,
            "pay_page": payments * self.pay_pages_a_payment,
            "desk_page": self.visits * self.desk_pages_a_visit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What is needed: cores in the busiest hour, GiB of the database after years, MiB of WAL in a day."""

    service_cores: float
    postgres_cores: float
    database_gib: float
    wal_mib_a_day: float
    bytes_a_year: Mapping[str, float]
    bytes_kept: Mapping[str, float]


def size(assumed: Assumptions, measured: Measured, *, hospitals: int) -> Needs:
    """The needs of so many equal hospitals on one cluster."""
    acts = {name: count * hospitals for name, count in assumed.acts.items()}
    busy = {
        part: _busy(acts, measured.costs, part) * assumed.peak_share / 3600 for part in ("service_ms", "postgres_ms")
    }
    a_day = {
        table: sum(acts[act] * stored.get(table, 0.0) for act, stored in measured.table_bytes.items())
        for table in {table for stored in measured.table_bytes.values() for table in stored}
    }
    a_year = {table: each * assumed.days_a_year for table, each in a_day.items() if each > 0}
    kept = {
        table: each * min(assumed.years, KEPT_DAYS.get(table, assumed.years * _YEAR_DAYS) / _YEAR_DAYS)
        for table, each in a_year.items()
    }
    wal = sum(acts[act] * each for act, each in measured.wal_bytes.items())
    return Needs(
        service_cores=busy["service_ms"] / assumed.load_max,
        postgres_cores=busy["postgres_ms"] / assumed.load_max,
        database_gib=sum(kept.values()) / _GIB,
        wal_mib_a_day=wal / (1 << 20),
        bytes_a_year=a_year,
        bytes_kept=kept,
    )


def _busy(acts: Mapping[str, float], costs: Mapping[str, Cost], part: str) -> float:
    """Seconds of a processor in a day."""
    return sum(acts[act] * getattr(cost, part) for act, cost in costs.items()) / 1000


def report(assumed: Assumptions, measured: Measured, hospitals: int) -> list[str]:
    """The report in Markdown."""
    one, all_ = (size(assumed, measured, hospitals=number) for number in (1, hospitals))
    lines = ["| Assumption | Value |", "| --- | --- |"]
    lines += [f"| `{field.name}` | {getattr(assumed, field.name):g} |" for field in fields(assumed)]
    lines += [
        "",
        "| Measured, for one | Service or worker | PostgreSQL | WAL | Stored |",
        "| --- | --- | --- | --- | --- |",
    ]
    for act, cost in measured.costs.items():
        wal, stored = measured.wal_bytes.get(act), measured.table_bytes.get(act)
        lines.append(
            f"| {act.replace('_', ' ')} | {cost.service_ms:.2f} ms | {cost.postgres_ms:.2f} ms |"
            f" {_kib(wal)} | {_kib(sum(stored.values()) if stored else None)} |"
        )
    lines += ["", f"Largest resident memory of the web process: {measured.service_mib:.0f} MiB."]
    lines += ["", f"| Needs | one hospital | {hospitals} hospitals |", "| --- | --- | --- |"]
    rows = (
        ("cores of web and worker in the busiest hour", one.service_cores, all_.service_cores),
        ("cores of PostgreSQL in the busiest hour", one.postgres_cores, all_.postgres_cores),
        ("payments by transfer a second in the busiest hour", _peak(assumed, 1), _peak(assumed, hospitals)),
        ("growth in a year, GiB", _gib(one.bytes_a_year), _gib(all_.bytes_a_year)),
        (f"database after {assumed.years:g} years with retention, GiB", one.database_gib, all_.database_gib),
        ("WAL of a day, MiB", one.wal_mib_a_day, all_.wal_mib_a_day),
    )
    lines += [f"| {name} | {_figure(first)} | {_figure(last)} |" for name, first, last in rows]
    lines += ["", "| Table | Bytes of a row | GiB a year, one hospital | Kept, days |", "| --- | --- | --- | --- |"]
    for table, grown in sorted(one.bytes_a_year.items(), key=lambda pair: -pair[1]):
        if grown / _GIB >= 0.05:
            row = measured.bytes_per_row.get(table)
            kept = f"{KEPT_DAYS[table]:g}" if table in KEPT_DAYS else "for ever"
            lines.append(f"| `{table}` | {'' if row is None else f'{row:.0f}'} | {grown / _GIB:.2f} | {kept} |")
    return lines


def _peak(assumed: Assumptions, hospitals: int) -> float:
    return assumed.acts["payment"] * hospitals * assumed.peak_share / 3600


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _gib(tables: Mapping[str, float]) -> float:
    return sum(tables.values()) / _GIB


def _kib(value: float | None) -> str:
    return "–" if value is None else f"{value / 1024:.1f} KiB"


def _assumptions(given: Sequence[str]) -> Assumptions:
    """The assumptions with those that were given as NAME=VALUE. Raises SystemExit for another name or no number."""
    known = {field.name for field in fields(Assumptions)}
    values: dict[str, float] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in known:
            raise SystemExit(f"{name} is no assumption; known are {', '.join(sorted(known))}")
        try:
            values[name] = float(value)
        except ValueError:
            raise SystemExit(f"{name}: {value!r} is no number") from None
    return replace(Assumptions(), **values)


def read_measured(path: Path) -> Measured:
    """What an earlier run wrote with `--json`."""
    content = json.loads(path.read_text("utf-8"))
    return Measured(**{**content, "costs": {act: Cost(**cost) for act, cost in content["costs"].items()}})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=300, help="how often each act is measured")
    parser.add_argument("--hospitals", type=int, default=20, help="of the province")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another assumption")
    parser.add_argument("--measured", type=Path, help="read the costs from this file and measure nothing")
    parser.add_argument("--json", type=Path, help="write the costs to this file")
    given = parser.parse_args()
    assumed = _assumptions(given.set)
    measured = read_measured(given.measured) if given.measured else asyncio.run(measure(given.visits))
    if given.json is not None:
        given.json.write_text(json.dumps(measured.as_json(), indent=1) + "\n", encoding="utf-8")
    print("\n".join(report(assumed, measured, given.hospitals)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
