"""Reports of one database on a Dask cluster, for `d1lab run --scheduler`.

Workers only run notebooks. They get the warehouse from the machine of the command, once a run, and
send the files of each run back. So they need no disk, no database, and no token in common with it;
the ledger, leases, pages, and pushes stay where they are.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import shutil
import socket
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
from uuid import uuid4

from d1lab.config import Settings, load_settings
from d1lab.config_sections import DatabaseSettings, PushSettings, RunSettings
from d1lab.errors import D1labError
from d1lab.files import make_private
from d1lab.fleet.cluster import (
    CONNECT_SECONDS,
    connect_cluster,
    problem_of,
    share_of_machine,
)
from d1lab.fleet.packing import pack, unpack
from d1lab.jobs.inputs import changed, code_of
from d1lab.jobs.job_runner import NotebookRun
from d1lab.jobs.run import prepare_kernels
from d1lab.lab.other_reports import summarized_runs
from d1lab.runs.cancellation import Cancellation
from d1lab.runs.record import RunRecord, load_run
from d1lab.runs.report import load_report
from d1lab.runs.run import Task, run, run_folder
from d1lab.warehouse.result_cache import FOLDER as CACHE

ATTEMPTS = 3  # of a notebook whose worker, or whose copy of the data, was lost
_RUNS, _DATA = "runs", "data"
_LEFT_OUT = (_RUNS, CACHE, *(f"d1.sqlite{end}" for end in ("", "-wal", "-shm")))
_KEPT = 2  # copies of a database's data on a worker: one may still be read by another thread


class RunOrder(NamedTuple):
    """One notebook to run, as a worker gets it. It has no secrets."""

    task: Task
    run_id: str
    database: dict[str, Any]  # of `DatabaseSettings`
    run: dict[str, Any]  # of `RunSettings`
    push: dict[str, Any]  # of `PushSettings`
    code: dict[str, str]  # digests of what the notebook executes
    timeout_seconds: float
    previous_run_id: str | None
    files: bytes  # of the run's folder, and of the runs that it summarizes
    data: str  # name of the data's copy


class RunAnswer(NamedTuple):
    """What a worker sends back."""

    files: bytes = b""  # of the run's folder
    error: str = ""  # why there are none


class DaskReports:
    """The workers of a Dask cluster, as machines that run notebooks.

    Args:
        scheduler: The scheduler's address, such as `tcp://10.0.0.5:8786`.

    Raises:
        InputError: Dask is not installed.
        D1labError: The scheduler does not answer, or it has no worker.
    """

    def __init__(self, scheduler: str) -> None:
        self._scheduler = scheduler
        self._client = connect_cluster(scheduler)
        self._sent: dict[Path, tuple[str, Any]] = {}
        self._sending = Lock()
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            self.close()
            raise D1labError(
                f"the Dask scheduler at {scheduler} has no worker. Start one: dask worker "
                f"{scheduler} --nthreads 1"
            ) from None

    @property
    def count(self) -> int:
        """Two notebooks a thread, so that none waits for a page that is written here."""
        return 2 * max(sum(self._client.nthreads().values()), 1)

    def run(self, settings: Settings, asked: NotebookRun, cancellation: Cancellation) -> RunRecord:
        """Run a notebook on a worker, and bring the files of the run to its folder here.

        Raises:
            D1labError: No worker could run it.
        """
        order = _order(settings, asked)
        answer = self._answer(settings.folder(asked.job.task.database), order, cancellation)
        if answer.error:
            raise D1labError(answer.error)
        unpack(answer.files, {_RUNS: asked.run_dir.parent})
        return load_run(asked.run_dir)

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close(timeout=5)

    def _answer(self, folder: Path, order: RunOrder, cancellation: Cancellation) -> RunAnswer:
        why = ""
        for _ in range(ATTEMPTS):
            name = ""
            try:
                name, data = self._data(folder)
                waiting = _Waiting(self._client, order._replace(data=name), data)
                with cancellation.covers(waiting):
                    return waiting.answer()
            except Exception as error:  # noqa: BLE001  of the cluster: the worker's own are answers
                gave_up = f"the cluster gave it up ({type(error).__name__}: {error})"
                why = problem_of(self._client, self._scheduler) or gave_up
            self._forget(folder, name)
        raise D1labError(f"{order.task}: {why}. Run the report again.")

    def _data(self, folder: Path) -> tuple[str, Any]:
        """Send a database's folder to the cluster, once; workers get it from each other."""
        with self._sending:
            if folder not in self._sent:
                content = pack({_DATA: folder}, left_out=_LEFT_OUT)
                self._sent[folder] = (uuid4().hex, self._client.scatter(content, hash=False))
            return self._sent[folder]

    def _forget(self, folder: Path, name: str) -> None:
        """Send the data again next time: the worker that had it may be gone."""
        with self._sending:
            if folder in self._sent and self._sent[folder][0] == name:
                del self._sent[folder]


class _Waiting:
    """A notebook that a worker runs."""

    def __init__(self, client: Any, order: RunOrder, data: Any) -> None:
        self.cancelled = False
        self._client = client
        self._future = client.submit(
            run_order, order, data, key=f"d1lab-{order.run_id}-{order.data}"
        )

    def cancel(self) -> None:
        """Do not wait for it any longer."""
        self.cancelled = True

    def answer(self) -> RunAnswer:
        """Wait for the answer."""
        while not self.cancelled:
            try:
                return self._future.result(timeout=1)
            except TimeoutError:
                if why := problem_of(self._client, "this address"):
                    raise D1labError(why) from None
        self._future.cancel()
        return RunAnswer(error="stopped")


def _order(settings: Settings, asked: NotebookRun) -> RunOrder:
    task, run_dir = asked.job.task, asked.run_dir
    folders = [run_dir, *summarized_runs(run_dir)]
    return RunOrder(
        task,
        run_dir.name,
        settings.databases[task.database].model_dump(),
        settings.run.model_dump(),
        settings.push.model_dump(),
        code_of(settings, task.report),
        asked.timeout_seconds,
        asked.previous_run_id,
        pack({f"{_RUNS}/{folder.name}": folder for folder in folders}),
        "",
    )


def run_order(order: RunOrder, data: bytes) -> RunAnswer:
    """Run one notebook, in a Dask worker."""
    from distributed import get_worker

    try:
        worker = get_worker()
        settings = _settings(order, Path(worker.local_directory) / "d1lab")
        settings = share_of_machine(settings, worker, by_thread=True)
        task = _own_task(settings, order)
        _bring_data(settings, data)
        _prepare()
        return RunAnswer(_run(settings, task, order))
    except (D1labError, OSError) as error:
        return RunAnswer(error=f"worker on {socket.gethostname()}: {error}")


def _settings(order: RunOrder, home: Path) -> Settings:
    """Return the worker's own settings with the command's database, in a folder of its own."""
    name = order.task.database
    return load_settings().model_copy(
        update={
            "database": name,
            "databases": {name: DatabaseSettings.model_validate(order.database)},
            "run": RunSettings.model_validate(order.run),
            "push": PushSettings.model_validate(order.push),
            "data_dir": home / order.data,
            "reports_dir": home / "reports",
        }
    )


def _own_task(settings: Settings, order: RunOrder) -> Task:
    """Return the task with the worker's own notebook, which must be the same."""
    report = load_report(settings, order.task.report.name)
    if other := changed(order.code, code_of(settings, report)):
        raise D1labError(
            f"{', '.join(other)} differs from that of the command. Copy the project's folder to "
            f"{settings.root}, and install the same version of d1lab."
        )
    return order.task._replace(report=report)


_bringing = Lock()


def _bring_data(settings: Settings, data: bytes) -> None:
    """Write the data that was sent, unless it is here; older copies are deleted."""
    folder = settings.data_dir
    with _bringing:
        if folder.is_dir():
            return
        make_private(folder.parent)
        copies = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in copies[: -_KEPT + 1]:
            shutil.rmtree(path, ignore_errors=True)
        part = folder.with_suffix(".part")
        part.mkdir(mode=0o700)
        unpack(data, {_DATA: part / settings.database})
        part.rename(folder)


def _run(settings: Settings, task: Task, order: RunOrder) -> bytes:
    """Run the notebook, and return the files of the run; nothing of it stays."""
    folder = run_folder(settings, task.database, order.run_id)
    make_private(folder)
    unpack(order.files, {_RUNS: folder.parent})
    _, run_dir = run(
        settings,
        task,
        run_id=order.run_id,
        timeout_seconds=order.timeout_seconds,
        previous_run_id=order.previous_run_id,
    )
    packed = pack({f"{_RUNS}/{run_dir.name}": run_dir})
    shutil.rmtree(run_dir, ignore_errors=True)
    return packed


@cache
def _prepare() -> None:
    """Start this worker's fork server, for all its notebooks."""
    prepare_kernels()
