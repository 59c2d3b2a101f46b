"""One run of one report: check parameters, execute, and store results, without pushing them.

    task = prepare(settings, lab, report, values={"shop": "harbor"})   checked, not started
    record = run(settings, task)                                       executed and stored

`d1lab.jobs.run.run_report` does both, and writes the page.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import orjson

from d1lab import outbox
from d1lab.config import Settings
from d1lab.errors import D1labError, RunTimeoutError, StaleDataError
from d1lab.files import make_private, write
from d1lab.lab import Lab
from d1lab.lab.usage import UsageDays
from d1lab.packed_files import pack
from d1lab.parameters import Days, Value, check
from d1lab.runs.cancellation import Cancellation
from d1lab.runs.data_state import ShopState, shop_state
from d1lab.runs.execute import Execution, OnOutputs, Progress, execute, note
from d1lab.runs.record import (
    LOG_FILE,
    NOTEBOOK_FILE,
    DataState,
    QuarantinedCount,
    RunRecord,
    key_figures,
    recorded_verdict,
    save_results,
)
from d1lab.runs.report import Report
from d1lab.secrets import kernel_variables
from d1lab.version import __version__
from d1lab.warehouse import open_warehouse

TIMEOUT_SECONDS = 900.0


class Task(NamedTuple):
    """One report to run, with checked and resolved parameters, not started yet."""

    database: str
    report: Report
    shop: str  # '' for a report on all data
    as_of: date | None  # None only if there is no data yet
    parameters: dict[str, Value]  # all of them
    given: tuple[str, ...]  # the names set by the caller
    data: DataState
    quarantined: tuple[QuarantinedCount, ...]
    simulated: tuple[str, ...]  # the views with simulated rows for this shop
    after: tuple[tuple[str, str], ...] = ()  # reports that it runs after, each with its series

    @property
    def chosen(self) -> tuple[str, ...]:
        """The parameters set by the caller, without shop and day: they make the run a variant."""
        return tuple(sorted(name for name in self.given if name not in ("shop", "as_of")))

    def __str__(self) -> str:
        parts = (self.report.name, self.shop, self.as_of)
        return " ".join(str(part) for part in parts if part)


@contextmanager
def open_lab(settings: Settings, database: str | None = None) -> Generator[Lab]:
    """Open the lab of a database under these settings for the block.

    Raises:
        StaleDataError: There was no pull yet.
        UnknownName: The database does not exist.
    """
    name, chosen = settings.resolve(database)
    folder = settings.folder(name)
    opened = open_warehouse(folder, uses_start=chosen.uses_start, zones=chosen.zones)
    with closing(opened) as con:
        yield Lab(
            con,
            database=name,
            folder=folder,
            metrics_folder=settings.root / "metrics",
            shop_column=chosen.shop_column,
            push_tables=settings.push.tables,
            keeps_results=True,
        )


def prepare(
    lab: Lab,
    report: Report,
    *,
    values: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
    today: date | None = None,
    state: Callable[[str], ShopState] | None = None,
) -> Task:
    """Check the parameters of a run and resolve its day, without starting anything.

    Args:
        lab: The lab with the data.
        report: The report to run.
        values: Typed parameters, from Python, JSON, or TOML.
        texts: Parameters as text, from `--set`; they take precedence.
        today: The day that `today` means; None for the current day in the shop's
            time zone.
        state: Returns `shop_state` of the lab; None to compute it.

    Raises:
        UnknownName: A parameter or the shop does not exist.
        InputError: A value does not have its declared type.
    """
    values, texts = values or {}, texts or {}
    declared = report.parameters
    wanted = texts.get("shop") or values.get("shop") or report.default_shop
    calendar = UsageDays(lab) if report.is_of_usage else lab
    latest = calendar.as_of(str(wanted))
    days = Days(today or lab.today(str(wanted)), latest)
    parameters = check(declared, values, texts, days, report.where)
    shop = str(parameters.get("shop", ""))
    day = parameters.get("as_of")
    as_of = calendar.as_of(shop, str(day) if day else None)
    if "as_of" in parameters:
        parameters["as_of"] = as_of.isoformat()
    found = state(shop) if state else shop_state(lab, shop)
    data = found.data
    if report.is_of_usage:
        data = data.model_copy(update={"data_as_of": latest, "timezone": "UTC"})
    return Task(
        database=lab.database,
        report=report,
        shop=shop,
        as_of=as_of,
        parameters=parameters,
        given=tuple(name for name in parameters if name in values or name in texts),
        data=data,
        quarantined=found.quarantined,
        simulated=found.simulated,
    )


def run(
    settings: Settings,
    task: Task,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    previous_run_id: str | None = None,
    run_id: str | None = None,
    progress: Progress | None = None,
    cancellation: Cancellation | None = None,
    on_outputs: OnOutputs | None = None,
    fork: bool = True,
) -> tuple[RunRecord, Path]:
    """Execute a task and store everything in a new folder, whether it succeeds or fails.

    Args:
        settings: The project's settings.
        task: The task to run.
        timeout_seconds: The time limit of the whole run.
        previous_run_id: The run to compare the key figures with.
        run_id: The name of a folder created with `new_run_dir`; None creates one.
        progress: Called before each cell.
        cancellation: Allows another thread to end the run.
        on_outputs: Called with each cell's outputs while the next cells run.
        fork: Whether to fork the kernel from the preloaded server, if possible.

    Returns:
        The content of run.json, and the folder.

    Raises:
        D1labError: The run's folder was deleted meanwhile.
    """
    from d1lab.runs.kernels.kernel import Kernel

    run_dir = run_folder(settings, task.database, run_id) if run_id else new_run_dir(settings, task)
    log = run_dir / LOG_FILE
    started_at = datetime.now(UTC)
    note(log, f"run {run_dir.name}: {task}")
    environment = kernel_environment(settings, task.database, run_dir)
    kernel = Kernel(environment, task.report.path.parent, log, fork=fork)
    with _kept(log, run_dir), (cancellation or Cancellation()).covers(kernel):
        execution = execute(
            task.report.path,
            task.parameters,
            kernel,
            timeout_seconds=timeout_seconds,
            progress=progress,
            on_outputs=on_outputs,
        )
        note(log, f"{execution.status}{': ' * bool(execution.reason)}{execution.reason}")
    keep(run_dir, execution)
    record = _record(settings, task, run_dir, execution, started_at, previous_run_id)
    pack(outbox.large_files(run_dir))
    record.save(run_dir)
    return record, run_dir


@contextmanager
def _kept(log: Path, run_dir: Path) -> Generator[None]:
    """Require that the log begins as before: the kernel creates a missing folder again, empty."""
    try:
        yield
    except FileNotFoundError:
        if log.is_file():
            raise
    begins = log.read_text(encoding="utf-8", errors="replace")[:300] if log.is_file() else ""
    if f" run {run_dir.name}: " not in begins:
        raise D1labError(
            f"the folder of run {run_dir.name} was deleted while the report ran. Its results are "
            "lost, and nothing was written to D1. Run the report again."
        )


def run_folder(settings: Settings, database: str, run_id: str) -> Path:
    """Return the folder of a run."""
    return settings.folder(database) / "runs" / run_id


def new_run_dir(settings: Settings, task: Task) -> Path:
    """Create a folder for a new run, named by time (UTC, microseconds), report, and shop.

    The end is random: runs of shops with one name in several databases, or on several machines,
    never share an ID.
    """
    shop = re.sub(r"[^A-Za-z0-9_-]+", "-", task.shop)[:40] or "_"
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{task.report.name}-{shop}-{token_hex(3)}"
    folder = run_folder(settings, task.database, name)
    make_private(folder.parent)
    folder.mkdir(mode=0o700)
    return folder


def kernel_environment(settings: Settings, database: str, run_dir: Path) -> dict[str, str]:
    """Return the environment of a run's kernel: an allow-list, and the settings that it needs.

    It names the run's own database only.
    """
    databases = {database: settings.databases[database].model_dump()}
    return (
        kernel_variables()
        | {
            "D1LAB_ROOT": str(settings.root),
            "D1LAB_DATABASE": database,
            "D1LAB_DATABASES": json.dumps(databases),
            "D1LAB_RUN": settings.run.model_dump_json(),
            "D1LAB_PUSH": settings.push.model_dump_json(),
            "D1LAB_DATA_DIR": str(settings.data_dir),
            "D1LAB_REPORTS_DIR": str(settings.reports_dir),
            "D1LAB_NOTEBOOKS_DIR": str(settings.notebooks_dir),
            "D1LAB_RUN_DIR": str(run_dir),
        }
        | ({"D1LAB_MEMORY": settings.memory} if settings.memory else {})
    )


def keep(run_dir: Path, execution: Execution) -> None:
    """Write the executed notebook and its key figures."""
    if execution.notebook is None:
        return
    write(run_dir / NOTEBOOK_FILE, _as_json(execution.notebook))
    save_results(run_dir, key_figures(execution.notebook))


def _as_json(notebook: dict[str, Any]) -> str | bytes:
    """Return a notebook as nbformat does, in a fifth of its time."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(notebook, option=options)
    except orjson.JSONEncodeError:  # a lone surrogate
        import nbformat

        return nbformat.writes(notebook) + "\n"  # pyright: ignore[reportUnknownMemberType]


def _record(
    settings: Settings,
    task: Task,
    run_dir: Path,
    execution: Execution,
    started_at: datetime,
    previous_run_id: str | None,
) -> RunRecord:
    finished_at = datetime.now(UTC)
    read = {name for record in outbox.read_notes(run_dir) for name in record["reads"]}
    _, chosen = settings.resolve(task.database)
    kind = re.split(r"[:+]", chosen.url)[0]
    return RunRecord(
        run_id=run_dir.name,
        report=task.report.name,
        title=task.report.title,
        shop=task.shop,
        status=execution.status,
        started_at=started_at,
        finished_at=finished_at,
        as_of=task.as_of,
        reason=execution.reason,
        seconds=(finished_at - started_at).total_seconds(),
        database=task.database,
        plan=chosen.plan,
        url_kind=kind,  # pyright: ignore[reportArgumentType]
        parameters=task.parameters,
        given=task.given,
        notebook_hash=task.report.digest,
        code_cells=execution.code_cells,
        cells_done=execution.cells_done,
        data=task.data,
        versions=versions(),
        quarantined=task.quarantined,
        simulated=tuple(view for view in task.simulated if view in read),
        verdict=recorded_verdict(execution.notebook) if execution.notebook else None,
        previous_run_id=previous_run_id,
        error=execution.failure,
        staged=outbox.staged_rows(run_dir),
    )


@cache
def versions() -> dict[str, str]:
    """Return the versions of the software behind the result."""
    names = ("duckdb", "pandas", "scipy", "altair", "papermill")
    ours = {"d1lab": __version__, "python": platform.python_version()}
    return ours | {name: version(name) for name in names}


def exit_code(record: RunRecord) -> int:
    """Return the command line's exit code after this run: 0, or the one in d1lab.errors."""
    if record.error is None:
        return 0
    if record.error.kind == "timeout":
        return RunTimeoutError.exit_code
    stale = record.error.ename == StaleDataError.__name__
    return StaleDataError.exit_code if stale else 1
