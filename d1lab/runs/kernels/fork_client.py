"""The client of the fork server: one per process, started on first use."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from weakref import WeakSet

from d1lab.runs.kernels.own_code import CodeState, code_state, own_modules

AVAILABLE = sys.platform.startswith("linux") and hasattr(os, "fork")
"""Whether this system supports forked kernels: fork is missing or unsafe on other systems."""

SERVER = Path(__file__).with_name("fork_server.py")
_WARM_UP = "d1lab.runs.kernels.warm_up"
PRELOAD = (
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipykernel.debugger",  # from here on, imports of a starting kernel
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "pandas",
    "pyarrow.pandas_compat",
    "duckdb",
    "orjson",
    "pydantic_settings",
    "altair",
    "narwhals._pandas_like.dataframe",  # from here on, imports of the first chart
    "pandas.core.methods.to_dict",
    f"{_WARM_UP}:chart",
    "IPython.core.logger",  # from here on, imports of the first metric
    "encodings.utf_8_sig",
    "pyarrow.dataset",
    "pandas.core.methods.select",
)
"""What the server does at its start: modules to import, and functions to call."""

PRELOAD_LATER = (
    "d1lab.lab",
    f"{_WARM_UP}:metrics",
    f"{_WARM_UP}:connection",
    f"{_WARM_UP}:parameters",
    f"{_WARM_UP}:currencies",
    "pyarrow.parquet",
    "pyarrow.acero",
    "scipy.special",  # from here on, for some reports only
    "scipy.optimize",
    "babel.dates",
    "babel.numbers",
    f"{_WARM_UP}:tests",
    f"{_WARM_UP}:results",
)
"""What the server does while it is idle; then it imports d1lab's other modules."""


class ForkedProcess:
    """A process of the fork server, with the part of Popen's interface the provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, own: socket.socket) -> None:
        self._own = own
        self._lines = b""
        self._lock = Lock()
        self.returncode: int | None = None
        self.pid = int(self._expect("pid"))
        self._expect("ready")

    def _expect(self, word: str) -> str:
        """Return the rest of the next line, which must begin with that word."""
        line = self._line()
        if not line.startswith(word):
            raise OSError(f"the fork server sent {line or 'nothing'!r} instead of {word!r}")
        return line[len(word) :].strip()

    def _line(self) -> str:
        while b"\n" not in self._lines:
            received = self._own.recv(4096)
            if not received:
                return ""
            self._lines += received
        line, _, self._lines = self._lines.partition(b"\n")
        return line.decode()

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; return the exit code, or None after `timeout` seconds."""
        with self._lock:
            if self.returncode is None:
                self._own.settimeout(timeout)
                try:
                    line = self._line()
                except (BlockingIOError, TimeoutError):
                    return None
                # A dead server has killed its kernels.
                self.returncode = int(line.removeprefix("exit ")) if line else -signal.SIGKILL
                self._own.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)


class ForkServer:
    """The client's side of `fork_server.py`: one process, started with a clean environment.

    Args:
        environment: The server's environment, which forked kernels inherit; without secrets.
        steps: What it does at its start.
        later: What it does while idle.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        steps: Sequence[str] = PRELOAD,
        later: Sequence[str] = PRELOAD_LATER,
    ) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = Lock()
        self._kernels = WeakSet[ForkedProcess]()
        fd = theirs.fileno()
        command = [sys.executable, "-P", str(SERVER), str(fd), *steps, "--later", *later]
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=dict(environment) | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"},  # no warning
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C goes to the caller, which then closes the server
            )

    @property
    def alive(self) -> bool:
        """Whether the server is running."""
        return self._process.poll() is None

    def start(self, orders: Mapping[str, object], log: int) -> ForkedProcess:
        """Fork a kernel and wait until it responds.

        Args:
            orders: `argv`, `env`, and `cwd` of the kernel.
            log: A file descriptor for its output outside of cells.

        Raises:
            OSError: The server is not running, or the kernel did not start.
        """
        own, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [b"k"], [theirs.fileno(), log])
            own.settimeout(60)
            own.sendall(json.dumps(orders).encode() + b"\n")
            process = ForkedProcess(own)
        except OSError:
            own.close()
            raise
        self._kernels.add(process)
        return process

    @property
    def idle(self) -> bool:
        """Whether none of its kernels is running."""
        return all(kernel.poll() is not None for kernel in list(self._kernels))

    def close(self) -> None:
        """End the server and its kernels."""
        self._control.close()
        self._process.terminate()  # it can be in the middle of an import
        self._process.wait(10)


_lock = Lock()
_server: ForkServer | None = None
_code: CodeState = frozenset()
_outdated: list[ForkServer] = []


def fork_server(environment: Mapping[str, str]) -> ForkServer:
    """Return this process's fork server, started by the first call, and again for changed code.

    Raises:
        OSError: The server cannot be started.
    """
    global _server, _code
    now = code_state()
    with _lock:
        if _server is not None and not (_server.alive and now == _code):
            _outdated.append(_server)
            _server = None
        for server in [each for each in _outdated if each.idle]:
            server.close()
            _outdated.remove(server)
        if _server is None:
            _server, _code = ForkServer(environment, later=(*PRELOAD_LATER, *own_modules())), now
        return _server


@atexit.register
def _close() -> None:
    """End this process's fork servers."""
    global _server
    for server in (*_outdated, *([_server] if _server else [])):
        server.close()
    _server = None
    _outdated.clear()


def preload_fork_server(environment: Mapping[str, str]) -> None:
    """Start the fork server early, so that its imports run in parallel with the caller."""
    if AVAILABLE:
        fork_server(environment)
