"""Snapshots: frames kept with each run, so that a later run can say what has changed since."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import pandas as pd

from d1lab.files import writing

FOLDER = "snapshots"


class Snapshots:
    """The snapshots of one shop's runs: `<run>/snapshots/<name>.parquet`.

    Args:
        runs: The folder of all runs of the database.
        shop: Whose runs count.
        run_dir: The present run's folder.
    """

    def __init__(self, runs: Path, shop: str, run_dir: Path) -> None:
        self._runs, self._shop, self._run_dir = runs, shop, run_dir

    def keep(self, frame: pd.DataFrame, name: str) -> Path:
        """Keep a frame with the present run; each call replaces it.

        Args:
            frame: No more than later runs need: ids, and what is compared.
            name: Like a variable's; runs that must not be compared take different names.
        """
        path = self._run_dir / FOLDER / f"{name}.parquet"
        with writing(path) as part:
            frame.to_parquet(part, index=False)
        return path

    def before(self, name: str, day: date) -> pd.DataFrame | None:
        """The snapshot of the last run about an earlier day; None where there is none.

        Runs that failed do not count, nor does interactive work. Of several runs about the same
        day the last one counts.

        Args:
            name: As it was kept.
            day: Only runs whose `as_of` lies before it.
        """
        import pandas as pd

        found = [
            (as_of, path.parents[1].name, path)
            for path in self._runs.glob(f"*/{FOLDER}/{name}.parquet")
            if (as_of := self._as_of(path.parents[1])) and as_of < day.isoformat()
        ]
        return pd.read_parquet(max(found)[-1]) if found else None

    def _as_of(self, run_dir: Path) -> str | None:
        """The day that a run was about; None unless it is this shop's and ended well."""
        try:
            record = orjson.loads((run_dir / "run.json").read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        ours = record.get("shop") == self._shop and record.get("status") == "done"
        return record.get("as_of") if ours else None
