"""Run the named benchmarks, or all but those on request, and write bench/RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

from bench.comparison import Comparison

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "RESULTS.md"

_HEAD = """# Benchmarks

Written by `make bench`. Compare the ratios: the seconds depend on the machine, which is listed for
each part.
"""
_SECTION = re.compile(r"<!-- part (\w+) -->\n(.*?)\n<!-- end -->", re.DOTALL)
_PACKAGES = ("d1lab", "duckdb", "pyarrow", "adbc-driver-sqlite", "pandas", "SQLAlchemy", "dlt")


def main(names: list[str]) -> int:
    """Run the parts with these names; return 1 if a target is missed."""
    parts = benchmarks()
    if unknown := set(names) - parts.keys():
        print(f"benchmark not found: {', '.join(sorted(unknown))}. Use {', '.join(parts)}.")
        return 2
    sections = _sections()
    missed = 0
    for name in names or filter(runs_by_default, parts):
        print(f"bench {name} ...", flush=True)
        try:
            comparisons = parts[name]()
        except ImportError as error:
            print(f"skipped: {error}", flush=True)
            continue
        sections[name] = _section(name, comparisons)
        print(sections[name], flush=True)
        missed += sum(not target.is_met for each in comparisons for target in each.targets)
    body = "\n\n".join(
        f"<!-- part {name} -->\n{text}\n<!-- end -->" for name, text in sorted(sections.items())
    )
    RESULTS.write_text(f"{_HEAD}\n{body}\n", encoding="utf-8")
    return 1 if missed else 0


def benchmarks() -> dict[str, Callable[[], list[Comparison]]]:
    """Return the benchmarks of this folder by module name."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        if not path.stem.startswith("_") and "def run() -> list[Comparison]:" in path.read_text():
            found[path.stem] = import_module(f"bench.{path.stem}").run
    return found


def runs_by_default(name: str) -> bool:
    """Whether a benchmark runs without being named: some take too long."""
    return not getattr(import_module(f"bench.{name}"), "ON_REQUEST", False)


def machine() -> str:
    """Describe the machine in one line."""
    versions = [f"{name} {_version(name)}" for name in _PACKAGES if _version(name)]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        + ", ".join(versions)
    )


def _section(name: str, comparisons: list[Comparison]) -> str:
    texts = [comparison.markdown() for comparison in comparisons]
    return "\n\n".join([f"## {name.capitalize()}", f"_{machine()}_", *texts])


def _sections() -> dict[str, str]:
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
    return dict(_SECTION.findall(text))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
