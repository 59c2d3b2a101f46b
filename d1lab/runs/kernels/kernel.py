"""Kernels for runs: forked from a preloaded server if possible, else started normally.

papermill and nbclient are unchanged: they get a kernel manager whose provisioner requests
a real ipykernel from the fork server (`fork_server.py`). The server imports modules once; when
d1lab's code changes, a new server takes its place. Nothing else is shared: a kernel is a separate
process, forked from one that never ran a cell.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from d1lab.files import own_prefix
from d1lab.runs.kernels.fork_client import AVAILABLE, ForkedProcess, fork_server

LONGEST_FOLDER = 85  # a socket path can have 107 bytes, fewer on some systems

_SPEC = KernelSpec(
    argv=[
        *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        *("--ext", "d1lab.display.results"),  # from the first cell on, every result is shown
        *("--ext", "d1lab.charts.theme"),
    ],
    display_name="d1lab",
    language="python",
)


class Kernel:
    """One kernel of a run: its environment, and how to stop it from another thread.

    Args:
        environment: All environment variables of the kernel.
        folder: Its working directory.
        log: The file to append output outside of cells to.
        fork: Whether to fork it from the preloaded server, if possible.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path, log: Path, *, fork: bool = True
    ) -> None:
        self.environment, self.folder, self.log = dict(environment), folder, log
        self.may_fork = fork and AVAILABLE
        self.forked = False  # whether the preloaded server forked it
        self.cancelled = False
        self.process: Any = None

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell, if the system supports it."""
        if os.name == "posix":
            self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the kernel, including its child processes if the system supports it."""
        if os.name == "posix":
            self._signal(signal.SIGKILL)
        elif self.process is not None:
            self.process.kill()

    def cancel(self) -> None:
        """End the kernel, or prevent its start."""
        self.cancelled = True
        self.kill()

    def _signal(self, number: int) -> None:
        process = self.process
        if process is None or process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return  # it has just ended on its own

    def manager_class(self) -> type[AsyncKernelManager]:
        """Return the kernel manager class for nbclient that starts this kernel."""
        return type("RunKernelManager", (_KernelManager,), {"kernel": self})


class _Client(AsyncKernelClient):
    """A client that detects when the kernel is ready, without waiting for 0.2 s of silence.

    It has no heartbeat, because the process shows whether the kernel is alive. The heartbeat thread
    could open its socket while the context of a kernel that died early is being destroyed.
    """

    def start_channels(self, *channels: bool, **named: bool) -> None:
        super().start_channels(*channels, **named | {"hb": False})

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        deadline = time.monotonic() + (timeout or 60)
        while time.monotonic() < deadline:
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            asked = self.kernel_info()
            if await self._answers(asked):
                return
        raise RuntimeError(f"Kernel did not respond within {timeout} seconds")

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
    """Starts the kernel of its class, over sockets in a separate folder."""

    kernel: Kernel

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_factory = _Client
        self._kernel_spec = _SPEC
        self._sockets = tempfile.TemporaryDirectory(prefix=own_prefix("d1lab"))
        self.connection_file = str(Path(self._sockets.name) / "kernel.json")
        if os.name == "posix" and len(self._sockets.name) < LONGEST_FOLDER:
            self.transport = "ipc"

    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        kernel_id = str(self.kernel_id or self._sockets.name)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        self.kernel_id = kernel_id
        self.provisioner = _Provisioner(
            kernel_id=kernel_id, kernel_spec=_SPEC, parent=self, kernel=self.kernel
        )
        options |= {"env": dict(self.kernel.environment), "cwd": str(self.kernel.folder)}
        return await super()._async_pre_start_kernel(**options)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        self._sockets.cleanup()

    cleanup_resources = _async_cleanup_resources  # pyright: ignore[reportAssignmentType]


class _Provisioner(LocalProvisioner):
    """Gets the process from the fork server; starts it normally if there is no server."""

    def __init__(self, *, kernel: Kernel, **options: Any) -> None:
        super().__init__(**options)
        self._kernel = kernel

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        with self._kernel.log.open("ab") as log:
            if not (self._kernel.may_fork and self._fork(cmd, log.fileno(), options)):
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
            os.write(log, f"no forked kernel ({error}); starting a new one\n".encode())
            return False
        self.process = process
        self.pid = self.pgid = process.pid
        self.cwd = options["cwd"]
        self._kernel.forked = True
        return True

    async def kill(self, restart: bool = False) -> None:
        await super().kill(restart)
        process: Any = self.process  # a ForkedProcess, or the one that super() started
        if isinstance(process, ForkedProcess):
            process.wait(1)  # avoids the manager's polling every 0.1 s
