"""Check the metrics and the notebooks of a project on the data of one database.

Each metric is computed for every shop, and its assertions are tested. Each notebook is run, reports
with the parameters of their cell, for one shop. Nothing is kept: no run, page, or staged result.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from d1lab.assertions import broken_by
from d1lab.config import Settings
from d1lab.errors import D1labError, InputError, UnknownName
from d1lab.files import own_prefix
from d1lab.lab import Lab
from d1lab.metrics import (
    FOLDER,
    Metric,
    broken_metrics,
    load_metrics,
    parameters_from_text,
)
from d1lab.runs.cancellation import Cancellation
from d1lab.runs.execute import Execution, execute, import_papermill
from d1lab.runs.kernels.fork_client import preload_fork_server
from d1lab.runs.kernels.kernel import Kernel
from d1lab.runs.record import LOG_FILE
from d1lab.runs.report import Report, language_of, load_notebook, notebooks
from d1lab.runs.run import TIMEOUT_SECONDS, kernel_environment, open_lab, prepare
from d1lab.secrets import kernel_variables

Progress = Callable[[str, int, int], None]
"""Called with what is checked, how much of it is done, and how much there is."""


class FileNote(NamedTuple):
    """One sentence on a file."""

    path: Path
    sentence: str


class CheckResult(NamedTuple):
    """What was checked, and what is broken."""

    metrics: int  # that were computed
    assertions: int  # of these metrics
    notebooks: int  # that were run
    broken: tuple[FileNote, ...]
    not_checked: tuple[FileNote, ...]


class _Notebook(NamedTuple):
    """A notebook to run."""

    path: Path
    parameters: Mapping[str, object]


def check(
    settings: Settings,
    database: str | None = None,
    *,
    names: Sequence[str] = (),
    timeout_seconds: float = TIMEOUT_SECONDS,
    workers: int = 2,
    progress: Progress | None = None,
) -> CheckResult:
    """Compute the metrics, test their assertions, and run the notebooks.

    Args:
        settings: The project's settings.
        database: A name in d1lab.toml; None for the default.
        names: Metrics and notebooks to check, by name; empty for all.
        timeout_seconds: Time limit of each notebook.
        workers: Number of notebooks that run at the same time.
        progress: Called before each metric and each notebook.

    Raises:
        UnknownName: There is no metric or notebook of that name.
        StaleDataError: There was no pull yet.
    """
    metrics, paths = _metrics(settings), notebooks(settings)
    if stray := sorted({*names} - {*metrics, *(path.stem for path in paths)}):
        raise UnknownName("metric or notebook", stray[0], {*metrics, *(p.stem for p in paths)})
    wanted = {*(names or (*metrics, *(path.stem for path in paths)))}
    broken: list[FileNote] = []
    skipped: list[FileNote] = []
    tell = progress or _say_nothing
    with open_lab(settings, database) as lab:
        computed = _check_metrics(lab, settings, wanted & {*metrics}, broken, tell)
        runnable = list(_runnable(lab, [p for p in paths if p.stem in wanted], broken, skipped))
    name, _ = settings.resolve(database)
    runner = _Runner(settings, name, timeout_seconds)
    broken += runner.run(runnable, workers, tell)
    assertions = sum(len(metric.assertions) for metric in computed)
    return CheckResult(len(computed), assertions, len(runnable), tuple(broken), tuple(skipped))


def _say_nothing(name: str, done: int, expected: int) -> None:
    """Report no progress."""


def _metrics(settings: Settings) -> dict[str, Path]:
    """Return the files of all metrics by name, the broken ones included."""
    own = settings.root / "metrics"
    files = [*sorted(FOLDER.glob("*/*.sql")), *sorted(own.glob("*.sql"))]
    return {path.stem: path for path in files}


def _check_metrics(
    lab: Lab, settings: Settings, wanted: set[str], broken: list[FileNote], tell: Progress
) -> list[Metric]:
    """Compute the metrics and test their assertions; return those that could be computed."""
    own, paths = settings.root / "metrics", _metrics(settings)
    problems = {n: said for n, said in broken_metrics(own).items() if n in wanted}
    broken += [FileNote(own / f"{name}.sql", said) for name, said in problems.items()]
    metrics = [metric for name, metric in load_metrics(own).items() if name in wanted - {*problems}]
    for done, metric in enumerate(metrics):
        tell("metrics", done, len(metrics))
        said = next(_problems(lab, metric), None)
        broken += [FileNote(paths[metric.name], said)] if said else []
    return metrics


def _problems(lab: Lab, metric: Metric) -> Iterator[str]:
    """Yield what is wrong with a metric, shop by shop."""
    for shop in lab.shops if "shop" in metric.parameters else [""]:
        try:
            given = _values(lab, metric, shop)
            frame = lab.metric(metric.name, **given)
        except D1labError as error:
            yield str(error)
            return
        for said in broken_by(frame, metric.assertions, given, metric.grain):
            yield f"{said} (shop {shop})" if shop else said


def _values(lab: Lab, metric: Metric, shop: str) -> dict[str, object]:
    """Return the parameters to check a metric with."""
    given = parameters_from_text(metric, metric.checked_with)
    usual = _usual(lab, shop)
    for name in metric.parameters:
        if name not in given and (value := _usual_value(usual, name)) is not None:
            given[name] = value
    if missing := [name for name in metric.parameters if name not in given]:
        example = " ".join(f"{name}=VALUE" for name in missing)
        raise InputError(
            f"`d1lab check` has no value for {', '.join(missing)}. Add a line to the header: "
            f"-- check: {example}"
        )
    return given


def _usual(lab: Lab, shop: str) -> dict[str, object]:
    """Return values by the names that parameters usually have."""
    until = lab.as_of(shop)
    year = {"until": until, "as_of": until, "since": until - timedelta(days=364)}
    return {"shop": shop, "days": 90, "weeks": 13, "currency": lab.currency or "USD", **year}


def _usual_value(usual: Mapping[str, object], name: str) -> object:
    """Return the usual value of a name or, for a period such as `own_days`, of its last word."""
    ending = name.rpartition("_")[2]
    return usual.get(name, usual.get(ending) if ending in ("days", "weeks") else None)


def _runnable(
    lab: Lab, paths: Sequence[Path], broken: list[FileNote], skipped: list[FileNote]
) -> Iterator[_Notebook]:
    """Yield the notebooks that can be run; note those that are broken or of another language."""
    for path in paths:
        try:
            report = load_notebook(path)
            if report is None and (language := language_of(path)) != "python":
                skipped.append(FileNote(path, f"its language is {language}"))
                continue
            parameters = _parameters(lab, report)
        except D1labError as error:
            broken.append(FileNote(path, str(error)))
        else:
            yield _Notebook(path, parameters)


def _parameters(lab: Lab, report: Report | None) -> Mapping[str, object]:
    """Return a report's parameters, with another shop where the data does not have its own."""
    if report is None:
        return {}
    own = report.default_shop
    shop = own if own in lab.shops or not lab.shops else lab.shops[0]
    return prepare(lab, report, values={"shop": shop} if report.is_by_shop else {}).parameters


class _Runner:
    """Runs notebooks in temporary folders."""

    def __init__(self, settings: Settings, database: str, timeout_seconds: float) -> None:
        self.settings, self.database, self.seconds = settings, database, timeout_seconds
        self.cancellation = Cancellation()

    def run(self, found: Sequence[_Notebook], workers: int, tell: Progress) -> list[FileNote]:
        """Run notebooks in parallel; return those that failed, in order."""
        if found:
            preload_fork_server(kernel_variables())
            import_papermill()
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="check") as pool:
            futures = [pool.submit(self._problem, notebook, tell) for notebook in found]
            said = self.cancellation.results(pool, futures)
        return [FileNote(n.path, text) for n, text in zip(found, said, strict=True) if text]

    def _problem(self, notebook: _Notebook, tell: Progress) -> str:
        """Run one notebook; return why it failed, or ''."""
        with tempfile.TemporaryDirectory(prefix=own_prefix("d1lab")) as folder:
            environment = kernel_environment(self.settings, self.database, Path(folder))
            kernel = Kernel(environment, notebook.path.parent, Path(folder) / LOG_FILE)
            with self.cancellation.covers(kernel):
                ended = execute(
                    notebook.path,
                    notebook.parameters,
                    kernel,
                    timeout_seconds=self.seconds,
                    progress=lambda done, cells: tell(notebook.path.name, done, cells),
                )
        if ended.failure is None:
            return ""
        message = " ".join(ended.failure.message.split())
        return f"{ended.failure.ename}: {message}{_where(ended)}"


def _where(ended: Execution) -> str:
    """Return the first line of the cell that failed: papermill's cell changes their numbers."""
    index = ended.failure.cell_index if ended.failure else None
    if index is None or ended.notebook is None or index >= len(ended.notebook["cells"]):
        return ""
    lines = str(ended.notebook["cells"][index]["source"]).strip().splitlines()
    return f" (in the cell that begins {lines[0]!r})" if lines else ""
