"""A process with preloaded modules that forks kernels.

    python -P fork_server.py CONTROL_FD STEP... [--later STEP...]

A step is a module to import, or `module:function` to call. After the first ones, it waits on
the control socket. Each request is one byte with two file descriptors: the kernel's own socket and
its log. The forked child reads its orders from its socket, as one line of JSON
`{"argv": [...], "env": {...}, "cwd": "..."}`, and becomes an ipykernel. Over the same socket the
caller reads one line each: `pid N`, `ready`, `exit CODE`.
The steps after `--later` are taken one by one while it and a processor are idle. When the caller
disconnects, its kernels are killed and the server ends. It opens no warehouse and runs no cell, so
that a kernel finds nothing of another. The caller replaces the server when d1lab's code on the disk
has changed.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time
import warnings
from pathlib import Path
from typing import NoReturn


def main(control_fd: int, steps: list[str], later: list[str]) -> None:
    """Take the steps, then fork a kernel for each request until the caller disconnects."""
    fast = runpy.run_path(str(Path(__file__).parents[2] / "fast_import.py"))  # not `import d1lab`
    fast["defer_iri_grammar"]()
    for step in steps:
        preload(step)
    own, log = serve(socket.socket(fileno=control_fd), later)
    gc.freeze()  # keeps the garbage collector from copying the pages shared with the server
    become_kernel(own, log)
    gc.unfreeze()


def preload(step: str) -> None:
    """Import a module, or call `module:function`; a kernel that needs what fails tells why."""
    module, _, function = step.partition(":")
    with contextlib.suppress(Exception):
        found = importlib.import_module(module)
        if function:
            getattr(found, function)()


def serve(control: socket.socket, later: list[str]) -> tuple[socket.socket, int]:
    """Run the server's loop; only a child returns from it, with its socket and log."""
    wake, wake_writer = socket.socketpair()
    wake.setblocking(False)
    wake_writer.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wake, selectors.EVENT_READ)
    kernels: dict[int, socket.socket] = {}
    signal.signal(signal.SIGTERM, lambda _signal, _frame: end(kernels))
    while True:
        goes_on = bool(later) and has_processor(len(kernels))
        ready = [key.fileobj for key, _ in selector.select(0 if goes_on else None)]
        if control in ready:
            message, descriptors, *_ = socket.recv_fds(control, 1, 2)
            if not message:
                end(kernels)
            own, log = socket.socket(fileno=descriptors[0]), descriptors[1]
            if fork(kernels, own, log):
                for inherited in (control, wake, wake_writer, selector, *kernels.values()):
                    inherited.close()
                return own, log
        if wake in ready:
            wake.recv(4096)
            reap(kernels)
        if goes_on and not ready:
            preload(later.pop(0))


def has_processor(kernels: int) -> bool:
    """Whether a processor is left beside these kernels: otherwise, a step would delay them."""
    return kernels < (os.cpu_count() or 1)


def fork(kernels: dict[int, socket.socket], own: socket.socket, log: int) -> bool:
    """Fork one kernel; return True in the child."""
    with warnings.catch_warnings():
        # The preloaded libraries handle their own threads across a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        return True
    os.close(log)
    kernels[pid] = own
    send_line(own, f"pid {pid}")
    return False


def send_line(own: socket.socket, line: str) -> None:
    """Send one line to the caller, if it is still connected."""
    try:
        own.sendall(line.encode() + b"\n")
    except OSError as error:
        sys.stderr.write(f"fork server: {line}: {error}\n")


def reap(kernels: dict[int, socket.socket]) -> None:
    """Send the exit codes of ended kernels to their callers."""
    while kernels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        own = kernels.pop(pid)
        send_line(own, f"exit {os.waitstatus_to_exitcode(status)}")
        own.close()


def end(kernels: dict[int, socket.socket]) -> NoReturn:
    """Kill all kernels with their child processes, and exit at once without cleanup."""
    for pid in kernels:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not created its process group yet
            os.kill(pid, signal.SIGKILL)
    os._exit(0)


def become_kernel(own: socket.socket, log: int) -> None:
    """Turn this child into the requested kernel, as if newly started."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    faulthandler.enable(log)  # so that a crash's location outlives the kernel
    with own.makefile("r", encoding="utf-8") as lines:
        orders = json.loads(lines.readline())
    os.environ.clear()
    os.environ.update(orders["env"])
    time.tzset()
    os.chdir(orders["cwd"])
    sys.argv = [sys.argv[0]]
    forget_randomness()
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance(parent_handle=os.getppid(), ignore_cwd=False)
    app.initialize(orders["argv"])  # pyright: ignore[reportUnknownMemberType]
    own.sendall(b"ready\n")  # fails if the caller has disconnected
    own.close()
    app.start()


def forget_randomness() -> None:
    """Reseed numpy's global generator, so that children do not draw the same numbers.

    Python's own generator is reseeded automatically after a fork.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


if __name__ == "__main__":
    asked = sys.argv[2:]
    split = asked.index("--later") if "--later" in asked else len(asked)
    main(int(sys.argv[1]), asked[:split], asked[split + 1 :])
