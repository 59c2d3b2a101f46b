"""Resolve the dependencies for the oldest and the newest Python: `make pins`.

    python .ci/pins.py           check that both pin files resolve, wheels only
    python .ci/pins.py --renew   take the newest versions and rewrite both files

pip can resolve for a Python that is not installed, without downloading packages for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
EXTRAS = "demo,fleet,prices,share,xlsx,test,docs,mutants"
# 3.11.2 is the Python of Debian 12: some packages ask for a later 3.11.
FILES = {"3.11.2": "constraints.txt", "3.14": "constraints-3.14.txt"}


def resolved(python: str, pins: Path | None) -> list[str]:
    """Return the packages to install for a Python version, as `name==version`."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--disable-pip-version-check", "--target", folder]
        command += ["--only-binary=:all:", f"--python-version={python}", f"--report={report}"]
        command += ["--constraint", str(pins)] if pins else []
        subprocess.run([*command, f"{ROOT}[{EXTRAS}]"], check=True)
        found = [package["metadata"] for package in json.loads(report.read_text())["install"]]
    pinned = (f"{each['name']}=={each['version']}" for each in found if each["name"] != "d1lab")
    return sorted(pinned, key=str.lower)


def main() -> None:
    """Check or renew each pin file."""
    renew = "--renew" in sys.argv[1:]
    for python, name in FILES.items():
        pins = ROOT / name
        lines = resolved(python, None if renew else pins)
        if renew:
            head = f"# Tested with Python {python}; `make pins` checks it, --renew rewrites it."
            pins.write_text("\n".join([head, *lines, ""]), encoding="utf-8")
        print(f"{name}: {len(lines)} packages resolve for Python {python}")


if __name__ == "__main__":
    main()
