"""The caller's side of the fork server: one per process, started when it is first wanted."""

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

AVAILABLE = sys.platform.startswith("linux") and hasattr(os, "fork")
"""Whether kernels are forked here: elsewhere there is no fork, or it breaks what was imported."""

SERVER = Path(__file__).with_name("fork_server.py")
PRELOAD = (
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipykernel.debugger",  # from here what a starting kernel imports by itself
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
    "narwhals._pandas_like.dataframe",  # from here what a chart's first drawing imports
    "pandas.core.methods.to_dict",
)
PRELOAD_LATER = ("scipy.special", "scipy.optimize")
"""Slow, and only some reports need them: imported while no kernel is asked for."""


class ForkedProcess:
    """A process of the fork server's, with as much of Popen's face as the provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, own: socket.socket) -> None:
        self._own = own
        self._lines = b""
        self._lock = Lock()
        self.returncode: int | None = None
        self.pid = int(self._expect("pid"))
        self._expect("ready")

    def _expect(self, word: str) -> str:
        """The rest of the next line, which must begin with that word."""
        line = self._line()
        if not line.startswith(word):
            raise OSError(f"the fork server said {line or 'nothing'!r} instead of {word!r}")
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
        """The exit code, None while it runs."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; the exit code, or None after `timeout` seconds without it."""
        with self._lock:
            if self.returncode is None:
                self._own.settimeout(timeout)
                try:
                    line = self._line()
                except (BlockingIOError, TimeoutError):
                    return None
                # A server that is gone has killed its kernels.
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
        environment: What the server, and so every kernel's first image, may see: no secrets.
        modules: What it imports before it serves.
        later: What it imports while idle.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        modules: Sequence[str] = PRELOAD,
        later: Sequence[str] = PRELOAD_LATER,
    ) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = Lock()
        fd = theirs.fileno()
        command = [sys.executable, "-P", str(SERVER), str(fd), *modules, "--later", *later]
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=dict(environment) | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"},  # it would warn
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the caller, who then closes it
            )

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def start(self, orders: Mapping[str, object], log: int) -> ForkedProcess:
        """Fork a kernel and wait until it answers.

        Args:
            orders: `argv`, `env` and `cwd` of the kernel.
            log: A descriptor for its output outside of cells.

        Raises:
            OSError: The server is gone, or the kernel did not come up.
        """
        own, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [b"k"], [theirs.fileno(), log])
            own.settimeout(60)
            own.sendall(json.dumps(orders).encode() + b"\n")
            return ForkedProcess(own)
        except OSError:
            own.close()
            raise

    def close(self) -> None:
        """End the server and its kernels."""
        self._control.close()
        self._process.terminate()  # it may be in the middle of an import
        self._process.wait(10)


_lock = Lock()
_server: ForkServer | None = None


def fork_server(environment: Mapping[str, str]) -> ForkServer:
    """This process's fork server, started by the first call.

    Raises:
        OSError: It cannot be started.
    """
    global _server
    with _lock:
        if _server is not None and not _server.alive:
            _close()
        if _server is None:
            _server = ForkServer(environment)
        return _server


@atexit.register
def _close() -> None:
    """End this process's fork server."""
    global _server
    if _server is not None:
        _server.close()
        _server = None


def preload_fork_server(environment: Mapping[str, str]) -> None:
    """Start the fork server already, so that it imports while the caller does other things."""
    if AVAILABLE:
        fork_server(environment)
