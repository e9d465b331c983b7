"""The long fuzz, outside the suite: `make fuzz SECONDS=600`. Ends with status 1 at an input that breaks a reader.

A case follows from its target, seed and number; one that breaks a reader is kept as a file, to become a test.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.fuzz.mutating import mutated
from tests.fuzz.targets import TARGETS

SLOW_S = 5.0
_TURN_S = 2.0


def case(name: str, seed: int, number: int) -> bytes:
    """One input of a target."""
    return mutated(Random(f"{name} {seed} {number}"), TARGETS[name].seeds)


def run_case(name: str, seed: int, number: int, *, kept_in: Path | None = None) -> None:
    """Check a reader with one case; a failure is kept in a folder, if one is given, and goes on as it is."""
    content = case(name, seed, number)
    started = time.perf_counter()
    try:
        TARGETS[name].check(content)
        elapsed_s = time.perf_counter() - started
        assert elapsed_s < SLOW_S, f"{len(content)} bytes took {elapsed_s:.1f} s"
    except Exception:
        if kept_in is not None:
            file = kept_in / f"{name}-{seed}-{number}.bin"
            file.write_bytes(content)
            print(f"{name}: case {number} of seed {seed} broke it; kept as {file}", file=sys.stderr)
        raise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="another seed, other cases")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="without it, all in turn")
    given = parser.parse_args()
    kept_in = Path(tempfile.mkdtemp(prefix="fuzz-"))
    counts = dict.fromkeys(given.target or TARGETS, 0)
    ends_at = time.monotonic() + given.seconds
    print(f"seed {given.seed}", flush=True)
    while time.monotonic() < ends_at:
        for name in counts:
            turn_ends_at = min(ends_at, time.monotonic() + _TURN_S)
            while time.monotonic() < turn_ends_at:
                run_case(name, given.seed, counts[name], kept_in=kept_in)
                counts[name] += 1
    kept_in.rmdir()
    print("no input broke a reader: " + ", ".join(f"{name} {count}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
