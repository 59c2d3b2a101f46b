"""run.json: the record of one run, without the content of its notebook.

A run's folder contains

    run.json        RunRecord, written by the runner; read by the page, the index, and `push`
    notebook.ipynb  the executed notebook
    results.json    the key figures (d1lab.display.Figure), one record each
    reads.jsonl     the notebook's queries to the warehouse, one line each
    log.txt         the kernel's and the runner's log
    *.csv           the full content of tables that the page shows only the top of
    outbox/         staged results

The notebook, tables, and kept records are compressed when the run has ended; read them with
`d1lab.packed_files.read_packed`.

Records of older versions stay readable: unknown fields are ignored, new fields have defaults.
"""

from __future__ import annotations

import json
import shlex
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, ValidationError

from d1lab.d1.database import Usage
from d1lab.d1.limits import cost
from d1lab.display import Figure, Figures, Verdict
from d1lab.display.words import VerdictStatus
from d1lab.errors import InputError
from d1lab.files import write

RUN_FILE = "run.json"
NOTEBOOK_FILE = "notebook.ipynb"
RESULTS_FILE = "results.json"
READS_FILE = "reads.jsonl"
LOG_FILE = "log.txt"

Status = Literal["done", "failed", "skipped", "timeout"]


Words = Annotated[
    str, BeforeValidator(lambda s: s.encode(errors="replace").decode() if type(s) is str else s)
]
"""Text from outside, without lone surrogates, which cannot be encoded in a file."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TableState(_Record):
    """The state of one warehouse table when the run read it."""

    name: str
    rows: int
    high_rowid: int | None = None  # the watermark: rows up to here are included
    pulled_at: AwareDatetime | None = None
    digest: str | None = None
    shop_digest: str | None = None  # of the shop's rows; None without a shop in the table
    rows_read: int = 0  # as D1 billed them, by the last pull that read the table


class DataState(_Record):
    """The data behind a run."""

    pulled_at: AwareDatetime | None = None  # when the last pull ended
    data_as_of: date | None = None  # the last complete day in this shop's data
    timezone: str | None = None  # the shop's; None if unset: days are UTC
    bookmark: str | None = None  # D1's bookmark of the pulled state
    tables: tuple[TableState, ...] = ()

    @property
    def rows(self) -> int:
        """Total rows of all tables."""
        return sum(table.rows for table in self.tables)


class QuarantinedCount(_Record):
    """The number of values of the wrong type, by table, column, and reason."""

    table: str
    column: str
    reason: str
    rows: int


class RecordedVerdict(_Record):
    """The verdict at the top of a report, as in `d1lab.display.Verdict`."""

    text: Words
    status: VerdictStatus
    detail: Words = ""


class Failure(_Record):
    """The reason for a run's failure."""

    kind: Literal["cell", "kernel", "timeout", "other"] = "cell"
    cell_index: int | None = None  # in the executed notebook, from 0
    ename: Words = ""
    message: Words = ""
    traceback: Words = ""  # plain text, no ANSI codes


class PushedTable(_Record):
    """One table with the run's pushed results."""

    table: str
    staged: int  # rows in the outbox
    changed: int  # rows that D1 changed


class Pushed(_Record):
    """The result of `push` for this run."""

    at: AwareDatetime
    tables: tuple[PushedTable, ...] = ()
    rows_read: int = 0  # as D1 billed them
    rows_written: int = 0


class RunRecord(_Record):
    """One run of one report for one shop."""

    run_id: str
    report: str  # the notebook's stem
    title: Words  # the notebook's first heading
    shop: str  # '' for a report of all data
    status: Status
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    as_of: date | None = None  # resolved: never None once the run read data
    reason: Words = ""  # one sentence: why it was skipped, stopped, failed, or timed out
    seconds: float | None = None
    database: str = "demo"
    plan: Literal["free", "paid"] = "paid"  # Cloudflare's, which sets prices and daily limits
    url_kind: Literal["d1", "gateway", "wrangler", "sqlite", "dump", "fleet"] = "sqlite"
    parameters: dict[str, Any] = {}  # all resolved parameters, as passed to the notebook
    given: tuple[str, ...] = ()  # the names set by the caller; the others are defaults
    notebook_hash: str = ""
    code_cells: int = 0
    cells_done: int = 0  # successful code cells
    data: DataState = DataState()
    versions: dict[str, str] = {}  # d1lab, python, duckdb, ...
    quarantined: tuple[QuarantinedCount, ...] = ()
    simulated: tuple[str, ...] = ()  # views with simulated data that were read
    verdict: RecordedVerdict | None = None
    previous_run_id: str | None = None  # the last successful run of an earlier day
    error: Failure | None = None
    staged: dict[str, int] = {}  # rows in the outbox, by table
    pushed: Pushed | None = None
    data_rows_read: int = 0  # D1 rows that the last pull read of the tables that the run read

    @property
    def chosen(self) -> dict[str, Any]:
        """The parameters set by the caller, without shop and day: they make the run a variant."""
        names = (name for name in self.given if name not in ("shop", "as_of"))
        return {name: self.parameters[name] for name in names if name in self.parameters}

    @property
    def is_ahead(self) -> bool:
        """Whether its day is after the last day of the data, which is no longer allowed."""
        latest = self.data.data_as_of
        return self.as_of is not None and latest is not None and self.as_of > latest

    @property
    def is_standard(self) -> bool:
        """Whether it is a regular run of its report, not a what-if run or one of a future day."""
        return not self.chosen and not self.is_ahead

    @property
    def usage(self) -> Usage:
        """D1 rows that the run cost as if it were the only one: its data's pull, and its push."""
        pushed = self.pushed
        read = self.data_rows_read + (pushed.rows_read if pushed else 0)
        return Usage(rows_read=read, rows_written=pushed.rows_written if pushed else 0)

    @property
    def dollars(self) -> float:
        """The price of these rows beyond the included quota; 0 on the free plan."""
        return cost(self.usage, self.plan)

    @property
    def command(self) -> str:
        """The command that repeats this run, quoted for a POSIX shell."""
        if self.url_kind == "fleet":  # of the marts of all databases
            return "d1lab fleet report"
        words = ["d1lab", "run", self.report, *(("--shop", self.shop) if self.shop else ())]
        if self.database != "demo":
            words += ["--database", self.database]
        if self.as_of:
            words += ["--as-of", self.as_of.isoformat()]
        for name, value in self.chosen.items():
            words += ["--set", f"{name}={setting(value)}"]
        return shlex.join(words)

    def age_days(self, now: datetime | None = None) -> float | None:
        """Days since the last pull; None if there was none."""
        if self.data.pulled_at is None:
            return None
        return ((now or datetime.now(UTC)) - self.data.pulled_at).total_seconds() / 86_400

    def save(self, run_dir: Path) -> Path:
        """Write run.json atomically; it is on disk when this returns."""
        return write(run_dir / RUN_FILE, self.model_dump_json(indent=1), sync=True)


def setting(value: object) -> str:
    """Format a parameter's value for `--set name=value`."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def load_run(run_dir: Path) -> RunRecord:
    """Read run.json.

    Raises:
        InputError: It is missing or not a run record.
    """
    path = run_dir / RUN_FILE
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{run_dir} is not a run's folder: {RUN_FILE} is missing") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first, *others = error.errors()
        where = ".".join(map(str, first["loc"]))
        more = f" (and {len(others)} more)" if others else ""
        why = f"{where}: {first['msg']}" if where else first["msg"]
        raise InputError(f"{path} is not a run record: {why}{more}") from None


def key_figures(notebook: dict[str, Any]) -> list[Figure]:
    """Return the key figures in an executed notebook, in order; the last of each name counts.

    Args:
        notebook: The notebook as JSON (nbformat 4).
    """
    found: dict[tuple[str, str], Figure] = {}
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            bundle = output.get("data", {}).get(Figures.MIME)
            for figure in Figures.from_json(bundle).figures if bundle else ():
                found[figure.metric, figure.dimension] = figure
    return list(found.values())


def recorded_verdict(notebook: dict[str, Any]) -> RecordedVerdict | None:
    """Return the first verdict in an executed notebook, if any.

    Args:
        notebook: The notebook as JSON (nbformat 4).
    """
    outputs = (output for cell in notebook.get("cells", ()) for output in cell.get("outputs", ()))
    bundles = (output.get("data", {}).get(Verdict.MIME) for output in outputs)
    return next((RecordedVerdict(**bundle) for bundle in bundles if bundle), None)


def save_results(run_dir: Path, figures: list[Figure]) -> Path:
    """Write results.json: one record per key figure."""
    content = orjson.dumps([f.to_json() for f in figures], option=orjson.OPT_INDENT_2)
    return write(run_dir / RESULTS_FILE, content)


def load_results(run_dir: Path) -> list[Figure]:
    """Read results.json; a missing file means no key figures.

    Raises:
        InputError: It is not a list of key figures.
    """
    path = run_dir / RESULTS_FILE
    if not path.is_file():
        return []
    try:
        return [Figure.from_json(record) for record in orjson.loads(path.read_bytes())]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is not a list of key figures: {error!r:.200}") from None
