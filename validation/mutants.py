"""Mutation testing of the statistics: `make mutants`.

    python -m validation.mutants [--minutes 20] [--seed 1] [--only ab_tests]

A sample of small faults, each put into a copy of the project: in Python by the operators of
mutmut, in SQL by replacing one operator, function, or partition column. The tests of the folder
must fail. Prints the share of faults found ("killed"), and each fault that was not.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TREES = ("d1lab/stats", "d1lab/analyses")
COPIED = (
    "d1lab",
    "tests",
    "validation",
    "notebooks",
    "docs",
    "bench",
    "pyproject.toml",
    "Makefile",
)
SLOW = (
    "not simulated and not certificate and not many_tests and not hillstrom and not online_retail"
)

SQL_FAULTS = (
    (r" >= ", " > "),
    (r" <= ", " < "),
    (r" > ", " >= "),
    (r" < ", " <= "),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" / ", " * "),
    (r"\bAND\b", "OR"),
    (r"\bmax\(", "min("),
    (r"\bmin\(", "max("),
    (r"\bsum\(", "max("),
    (r"\bDISTINCT ", ""),
    (r"\bPARTITION BY \w+, ", "PARTITION BY "),
    (r"\bDESC\b", "ASC"),
    (r"\bLEFT JOIN\b", "INNER JOIN"),
)
"""A pattern in a query, and what a fault makes of it."""


class Fault(NamedTuple):
    """One changed file."""

    path: str
    text: str  # the whole file with the fault

    def diff(self) -> str:
        """Return the changed lines."""
        before = (ROOT / self.path).read_text(encoding="utf-8").splitlines()
        after = self.text.splitlines()
        lines = unified_diff(before, after, n=0, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def python_faults(path: Path, rng: random.Random, count: int) -> Iterator[Fault]:
    """Draw faults of a module by mutmut's operators; texts are left as they are."""
    import libcst
    from mutmut.mutation.file_mutation import create_mutations

    source = path.read_text(encoding="utf-8")
    module, mutations, *_ = create_mutations(str(path), source)
    chosen = [one for one in mutations if not isinstance(one.original_node, libcst.SimpleString)]
    for one in rng.sample(chosen, min(count, len(chosen))):
        changed = module.deep_replace(one.original_node, one.mutated_node)
        if isinstance(changed, libcst.Module) and changed.code != source:
            yield Fault(str(path.relative_to(ROOT)), changed.code)


def sql_faults(path: Path, rng: random.Random, count: int) -> Iterator[Fault]:
    """Draw faults of a query, outside its comments."""
    source = path.read_text(encoding="utf-8")
    places = [
        (found.start(), found.end(), new)
        for old, new in SQL_FAULTS
        for found in re.finditer(old, source)
        if "--" not in source[source.rfind("\n", 0, found.start()) + 1 : found.start()]
    ]
    for start, end, new in rng.sample(places, min(count, len(places))):
        yield Fault(str(path.relative_to(ROOT)), source[:start] + new + source[end:])


def sample(only: str, rng: random.Random) -> list[Fault]:
    """Draw faults, a few of each file, in random order."""
    files = [path for tree in TREES for path in sorted((ROOT / tree).rglob("*")) if path.is_file()]
    found: list[Fault] = []
    for path in files:
        if only and only not in str(path.relative_to(ROOT)):
            continue
        if path.suffix == ".py" and path.stem != "__init__":
            found.extend(python_faults(path, rng, 6))
        elif path.suffix == ".sql":
            found.extend(sql_faults(path, rng, 6))
    rng.shuffle(found)
    return found


def tests_of(path: str) -> list[str]:
    """Return the tests that must find a fault in a file: those of its own name come first."""
    parts = path.split("/")
    folders = [f"tests/analyses/{parts[2]}"]
    if parts[1] == "stats":
        folders = ["tests/stats", "tests/analyses/ab_tests"]
    own = [f"{folder}/test_{Path(path).stem}.py" for folder in folders]
    return [name for name in own if (ROOT / name).exists()] + folders


def is_found(fault: Fault, copy: Path, seconds: float) -> bool | None:
    """Run the tests on the copy with the fault; None if they took too long."""
    path, command = copy / fault.path, [sys.executable, "-m", "pytest", "-x", "-q"]
    command += ["-p", "no:cacheprovider", "-p", "no:randomly", "-k", SLOW]
    command += tests_of(fault.path)
    path.write_text(fault.text, encoding="utf-8")
    try:
        environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return None
    finally:
        shutil.copy2(ROOT / fault.path, path)
    return ended.returncode != 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Sample faults until the time is up, and print what the tests found."""
    options = argparse.ArgumentParser(description="Mutation testing of the statistics.")
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--seconds", type=float, default=240, help="of the tests of one fault")
    options.add_argument("--only", default="", help="part of the files' paths")
    asked = options.parse_args(arguments)
    until = monotonic() + 60 * asked.minutes
    outcomes: list[bool | None] = []
    with TemporaryDirectory() as folder:
        for name in COPIED:
            source = ROOT / name
            link = shutil.copytree if source.is_dir() else shutil.copy2
            link(source, Path(folder) / name, **({"symlinks": True} if source.is_dir() else {}))
        for fault in sample(asked.only, random.Random(asked.seed)):
            if monotonic() > until:
                break
            outcomes.append(is_found(fault, Path(folder), asked.seconds))
            if not outcomes[-1]:
                what = "not found" if outcomes[-1] is False else "took too long"
                print(f"{what}: {fault.path}\n{fault.diff()}", flush=True)
    found, known = outcomes.count(True), len(outcomes) - outcomes.count(None)
    share = f"{found / known:.0%}" if known else "none"
    print(f"{found} of {known} faults found ({share}), seed {asked.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
