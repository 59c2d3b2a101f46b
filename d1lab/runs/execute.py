"""Execute one notebook with papermill on d1lab's own kernel, with a time limit."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from d1lab.errors import IdleQueryError, RunTimeoutError, StopRun
from d1lab.runs.record import Failure, Status, recorded_verdict

if TYPE_CHECKING:
    from d1lab.runs.kernels.kernel import Kernel

Progress = Callable[[int, int], None]
"""Called with the number of code cells done and their total."""

OnOutputs = Callable[[list[dict[str, Any]]], None]
"""Called with the outputs of each cell after it has run."""

SKIP_TAG = "skip-run"
RAISES_TAG = "raises-exception"  # nbclient's: the cells below run all the same
GRACE_SECONDS = 5.0
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Execution(NamedTuple):
    """The result of executing a notebook."""

    notebook: dict[str, Any] | None  # partial after a failure; None if no kernel started
    status: Status
    reason: str
    failure: Failure | None
    code_cells: int
    cells_done: int


class _Watch:
    """Follows an execution through nbclient's hooks."""

    def __init__(self, log: Path, progress: Progress | None, on_outputs: OnOutputs | None) -> None:
        self.log, self.progress, self.on_outputs = log, progress, on_outputs
        self.notebook: Any = None
        self.code_cells = self.cells_done = 0
        self.running: int | None = None  # the index of the running cell

    def on_notebook_start(self, notebook: Any) -> None:
        self.notebook = notebook
        self.code_cells = sum(map(_runs, notebook.cells))
        self._log("the kernel is ready")

    def on_cell_execute(self, cell: Any, cell_index: int) -> None:
        self.running = cell_index
        first = cell.source.strip().splitlines()[0]
        self._log(f"cell {cell_index + 1}: {first[:100]}")
        if self.progress:
            self.progress(self.cells_done, self.code_cells)

    def on_cell_executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        status = execute_reply["content"]["status"]
        self.running = None
        self.cells_done += status == "ok" or _may_raise(cell)
        self._log(f"cell {cell_index + 1}: {status}")
        if self.on_outputs:
            self.on_outputs(cell.outputs)

    def _log(self, line: str) -> None:
        note(self.log, line)

    @property
    def hooks(self) -> dict[str, Any]:
        names = ("on_notebook_start", "on_cell_execute", "on_cell_executed")
        return {name: getattr(self, name) for name in names}


def note(log: Path, line: str) -> None:
    """Append one line with the time (UTC) to a run's log."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}\n")


def execute(
    path: Path,
    parameters: Mapping[str, Any],
    kernel: Kernel,
    *,
    timeout_seconds: float,
    progress: Progress | None = None,
    on_outputs: OnOutputs | None = None,
) -> Execution:
    """Run the notebook at `path` on `kernel` and return the result. Writes only the log.

    Args:
        path: The notebook, which is not changed.
        parameters: The parameters that papermill injects, already checked.
        kernel: The kernel, not started yet; ended on return.
        timeout_seconds: The limit for the whole run. Then the kernel is interrupted, and killed
            if it still runs after 5 s.
        progress: Called before each cell.
        on_outputs: Called with the outputs of each cell.
    """
    import_papermill()
    from nbclient.exceptions import CellTimeoutError
    from papermill.exceptions import PapermillExecutionError

    watch = _Watch(kernel.log, progress, on_outputs)
    failure, reason, stopped = None, "", False
    status: Status = "done"
    with Deadline(kernel, timeout_seconds) as deadline:
        try:
            _run_papermill(path, parameters, kernel, watch)
        except PapermillExecutionError as error:
            failure = None if _is_expected(watch.notebook) else _cell_failure(error)
        except (RuntimeError, CellTimeoutError, OSError) as error:
            failure = _kernel_failure(error, kernel, watch)
    if deadline.passed:
        status, failure = "timeout", _timeout_failure(timeout_seconds, failure)
    elif failure is not None and failure.ename == StopRun.__name__:
        status = "done" if watch.notebook and recorded_verdict(watch.notebook) else "skipped"
        reason, failure, stopped = failure.message, None, True
    elif failure is not None:
        status = "failed"
    reason = failure.message if failure else reason
    notebook, failure = _tidied(watch.notebook, failure, stopped=stopped)
    return Execution(notebook, status, reason, failure, watch.code_cells, watch.cells_done)


def _run_papermill(
    path: Path, parameters: Mapping[str, Any], kernel: Kernel, watch: _Watch
) -> None:
    import papermill

    with _logged(watch.log), _event_loop_closed():
        papermill.execute_notebook(  # pyright: ignore[reportUnknownMemberType]
            str(path).replace("{", "{{").replace("}", "}}"),  # papermill formats paths
            None,
            dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            kernel_manager_class=kernel.manager_class(),
            shutdown_kernel="immediate",
            skip_cells_with_tag=SKIP_TAG,
            iopub_timeout=120,  # the default of 4 s is too short on a busy machine
            **watch.hooks,
        )


def import_papermill() -> None:
    """Import papermill, without its slow imports."""
    from d1lab.fast_import import defer_iri_grammar

    defer_iri_grammar()
    import papermill.execute as execution

    execution.write_ipynb = _write_nothing


def _write_nothing(notebook: object, path: object) -> None:
    """Replace papermill's function, which would serialize the notebook even without a path."""


@contextmanager
def _logged(log: Path) -> Generator[None]:
    """Redirect papermill's and nbclient's logging in this thread to the run's log."""
    logger = logging.getLogger("papermill")
    thread = threading.get_ident()
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(logging.WARNING)
    # papermill cannot parse `x: str | None = None`, and then warns about a name already checked.
    doubt = "Passed unknown parameter"
    handler.addFilter(lambda r: r.thread == thread and not r.getMessage().startswith(doubt))
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def _event_loop_closed() -> Generator[None]:
    """Close the event loop that nbclient leaves in a thread without one."""
    from jupyter_core.utils import ensure_event_loop

    try:
        yield
    finally:
        loop = ensure_event_loop()
        if not loop.is_running():
            loop.close()


class Deadline:
    """Interrupts a kernel at the time limit, and kills it if it continues."""

    def __init__(self, kernel: Kernel, seconds: float) -> None:
        self.kernel, self.seconds = kernel, seconds
        self.passed = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Deadline:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._over.wait(self.seconds):
            return
        self.passed = True
        self.kernel.interrupt()
        while not self._over.wait(GRACE_SECONDS):
            self.kernel.kill()


def _cell_failure(error: Any) -> Failure:
    """Return the failure for a cell that raised; `error` is papermill's."""
    message = _ANSI.sub("", str(error.evalue)).strip()
    return Failure(
        kind="cell",
        cell_index=error.cell_index,
        ename=error.ename,
        message=message or f"cell {error.cell_index + 1} raised {error.ename}",
        traceback=_ANSI.sub("", "\n".join(error.traceback)),
    )


def _kernel_failure(error: Exception, kernel: Kernel, watch: _Watch) -> Failure:
    """Return the failure for a kernel that died or did not start."""
    code = kernel.process.poll() if kernel.process is not None else None
    ended = kernel.log.with_name(IdleQueryError.FILE)
    if ended.is_file():
        return Failure(
            kind="cell",  # a query's fault, as where the interrupt reaches it: not tried once more
            cell_index=watch.running,
            ename=IdleQueryError.__name__,
            message=ended.read_text(encoding="utf-8"),
        )
    if kernel.cancelled:
        message = f"the run was interrupted{_where(watch)}"
    elif kernel.process is None:
        message = f"the kernel could not be started: {error}"
    elif code is None or watch.notebook is None:
        message = f"the kernel did not respond: {error}"
    else:
        message = f"the kernel died ({_how(code)}){_where(watch)}"
    return Failure(
        kind="other" if kernel.cancelled else "kernel",
        cell_index=watch.running,
        ename=type(error).__name__,
        message=message,
    )


def _how(code: int) -> str:
    """Return an exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    import signal

    name = signal.Signals(-code).name
    return f"{name}; possibly out of memory" if name == "SIGKILL" else name


def _where(watch: _Watch) -> str:
    return "" if watch.running is None else f" in cell {watch.running + 1}"


def _timeout_failure(seconds: float, failure: Failure | None) -> Failure:
    index = failure.cell_index if failure else None
    where = "" if index is None else f"; cell {index + 1} was running"
    return Failure(
        kind="timeout",
        cell_index=index,
        ename=RunTimeoutError.__name__,
        message=f"the run was stopped after {seconds:g} s{where}",
        traceback=failure.traceback if failure else "",
    )


def _runs(cell: Any) -> bool:
    """Whether a cell is executed code."""
    return cell.cell_type == "code" and bool(cell.source.strip()) and not _is_skipped(cell)


def _may_raise(cell: Any) -> bool:
    """Whether an error of a cell is expected."""
    return RAISES_TAG in cell.metadata.get("tags", ())


def _is_expected(notebook: Any) -> bool:
    """Whether all errors of a notebook are in cells that may raise."""
    outputs = ((cell, each) for cell in notebook.cells for each in cell.get("outputs", ()))
    return all(_may_raise(cell) for cell, each in outputs if each.output_type == "error")


def _is_skipped(cell: Any) -> bool:
    return SKIP_TAG in cell.metadata.get("tags", ())


def _tidied(notebook: Any, failure: Failure | None, *, stopped: bool) -> tuple[Any, Failure | None]:
    """Return the notebook without papermill's marks and skipped cells, and the failed cell's index.

    `stopped`: the run ended on purpose before its last cell, so the traceback is removed, too.
    """
    if notebook is None:
        return None, failure
    from papermill.execute import remove_error_markers  # pyright: ignore[reportUnknownVariableType]

    notebook = remove_error_markers(notebook)
    if failure and failure.cell_index is not None:
        before = notebook.cells[: failure.cell_index]
        index = failure.cell_index - sum(map(_is_skipped, before))
        failure = failure.model_copy(update={"cell_index": index})
    notebook.cells = [cell for cell in notebook.cells if not _is_skipped(cell)]
    for cell in notebook.cells if stopped else ():
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.output_type != "error"]
    return notebook, failure
