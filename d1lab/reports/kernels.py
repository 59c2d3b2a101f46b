"""Kernels for runs: forked from a warm server where that works, started plainly elsewhere.

papermill and nbclient stay as they are: they are handed a kernel manager whose provisioner asks
the fork server (`fork_server.py`) for a real ipykernel. The third-party modules are imported
once, in the server; d1lab never is, so that its code is read afresh by each run. Nothing else is
shared: a kernel is a process of its own, forked from one that never ran a cell.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

SERVER = Path(__file__).with_name("fork_server.py")
PRELOAD = (
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "pandas",
    "pyarrow",
    "duckdb",
    "orjson",
    "pydantic_settings",
    "altair",
)
PRELOAD_LATER = ("scipy.special", "scipy.stats", "scipy.optimize")
"""Slow, and only some reports need them: imported while no kernel is asked for."""

_SPEC = KernelSpec(
    argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    display_name="d1lab",
    language="python",
)


class Kernel:
    """One kernel, as a run holds it: where it starts, and how to stop it from another thread.

    Args:
        environment: All environment variables that the kernel sees.
        folder: Its working directory.
        log: The file that its output outside of cells is appended to.
        warm: Fork it from the warm server, if that can be had.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path, log: Path, *, warm: bool = True
    ) -> None:
        self.environment, self.folder, self.log = dict(environment), folder, log
        self.warm = warm and hasattr(os, "fork") and hasattr(socket, "recv_fds")
        self.forked = False  # whether the warm server made it
        self.cancelled = False
        self.process: Any = None

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the kernel and the processes it has started."""
        self._signal(signal.SIGKILL)

    def cancel(self) -> None:
        """End the kernel, or keep it from starting."""
        self.cancelled = True
        self.kill()

    def _signal(self, number: int) -> None:
        process = self.process
        if process is None or process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return  # it ended by itself just now

    def manager_class(self) -> type[AsyncKernelManager]:
        """The class of kernel manager that starts this kernel; what nbclient wants to be given."""
        return type("RunKernelManager", (_KernelManager,), {"kernel": self})


class _Client(AsyncKernelClient):
    """A client that knows when the kernel is ready, instead of waiting for 0.2 s of silence."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        deadline = time.monotonic() + (timeout or 60)
        while time.monotonic() < deadline:
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            asked = self.kernel_info()
            if await self._answers(asked):
                return
        raise RuntimeError(f"Kernel did not answer within {timeout} seconds")

    async def _answers(self, asked: str) -> bool:
        """Whether a message sent over both channels for this request arrives within 0.2 s."""
        try:
            async with asyncio.timeout(0.2):
                while True:
                    message = await self.get_iopub_msg()
                    if _ends(message, asked):
                        break
                while (await self.get_shell_msg())["parent_header"].get("msg_id") != asked:
                    continue
        except TimeoutError:
            return False
        return True


def _ends(message: dict[str, Any], asked: str) -> bool:
    return (
        message["parent_header"].get("msg_id") == asked
        and message["content"].get("execution_state") == "idle"
    )


class _KernelManager(AsyncKernelManager):
    """Starts the kernel that its class was made for, over sockets in a folder of its own."""

    kernel: Kernel

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_factory = _Client
        self._kernel_spec = _SPEC
        self._sockets = tempfile.TemporaryDirectory(prefix="d1lab-")
        self.connection_file = str(Path(self._sockets.name) / "kernel.json")
        if os.name == "posix":
            self.transport = "ipc"

    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        self.kernel_id = self.kernel_id or self._sockets.name
        self.provisioner = _Provisioner(
            kernel_id=self.kernel_id, kernel_spec=_SPEC, parent=self, kernel=self.kernel
        )
        options |= {"env": dict(self.kernel.environment), "cwd": str(self.kernel.folder)}
        return await super()._async_pre_start_kernel(**options)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        self._sockets.cleanup()

    cleanup_resources = _async_cleanup_resources  # pyright: ignore[reportAssignmentType]


class _Provisioner(LocalProvisioner):
    """Asks the fork server for the process; starts it plainly when there is none."""

    def __init__(self, *, kernel: Kernel, **options: Any) -> None:
        super().__init__(**options)
        self._kernel = kernel

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        with self._kernel.log.open("ab") as log:
            if not (self._kernel.warm and self._fork(cmd, log.fileno(), options)):
                await super().launch_kernel(cmd, **options, stdout=log, stderr=log)
        self._kernel.process = self.process
        if self._kernel.cancelled:
            self._kernel.kill()
        return self.connection_info

    def _fork(self, cmd: list[str], log: int, options: dict[str, Any]) -> bool:
        orders = {"argv": cmd[3:], "env": options["env"], "cwd": options["cwd"]}
        try:
            process = fork_server(options["env"]).start(orders, log)
        except OSError as error:
            os.write(log, f"no warm kernel ({error}); starting a plain one\n".encode())
            return False
        self.process = process
        self.pid = self.pgid = process.pid
        self.cwd = options["cwd"]
        self._kernel.forked = True
        return True

    async def kill(self, restart: bool = False) -> None:
        await super().kill(restart)
        if isinstance(self.process, ForkedProcess):
            self.process.wait(1)  # spares the manager its poll each 0.1 s


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
        later: What it imports while nobody asks.
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
                env=dict(environment),
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


def warm_up(environment: Mapping[str, str]) -> None:
    """Start the fork server already, so that it imports while the caller does other things."""
    if hasattr(os, "fork") and hasattr(socket, "recv_fds"):
        fork_server(environment)
