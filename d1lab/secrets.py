"""Secrets of the environment: taken out of it at the start, so that no child can read them.

On Linux any process of the same user reads `/proc/<pid>/environ`, also that of its ancestors; and
what a process deletes from its environment later still stands there. So `d1lab` restarts itself
without them, and hands them over through a pipe. From then on they are only in its memory, which
other processes of the user cannot read either (`PR_SET_DUMPABLE`).
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

VARIABLES = (
    "D1LAB_READ_TOKEN",
    "D1LAB_WRITE_TOKEN",
    "CLOUDFLARE_API_TOKEN",
    "D1LAB_NOTIFY_URL",
    "D1LAB_NOTIFY_ERRORS_URL",
    "D1LAB_SALT",
    "D1LAB_GATEWAY_READER",
    "D1LAB_GATEWAY_WRITER",
)
"""Environment variables with secrets, which are never passed to another process."""

KEPT = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONHASHSEED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUTF8",
    "PYTHONWARNINGS",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "FONTCONFIG_PATH",
    "FONTCONFIG_FILE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
    "MPLCONFIGDIR",
    "IPYTHONDIR",
    "JUPYTER_CONFIG_DIR",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "APPDATA",
    "LOCALAPPDATA",
    "USERPROFILE",
    "PROGRAMDATA",
]
"""Environment variables that a kernel gets; all others are removed."""

_KEPT_PREFIXES = ("LC_", "XDG_")
_HANDED_OVER = "D1LAB_SECRETS_FD"
_PR_SET_DUMPABLE = 4
_held: dict[str, str] = {}


def kernel_variables() -> dict[str, str]:
    """Our environment as far as kernels and other helpers get it."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in KEPT or name.upper().startswith(_KEPT_PREFIXES)
    }


def without_secrets() -> dict[str, str]:
    """Our whole environment but the secrets, for a program that people use, such as JupyterLab."""
    return {k: v for k, v in os.environ.items() if k.upper() not in (*VARIABLES, _HANDED_OVER)}


def secret(*names: str) -> str | None:
    """Return the first of these secrets that is set, in the environment or earlier."""
    found = (os.environ.get(name) or _held.get(name) for name in names)
    return next((value for value in found if value), None)


def hide_secrets() -> None:
    """Take the secrets out of the environment of the program `d1lab`; nothing in any other one.

    Windows is left as it is: there a process does not show its environment to others.
    """
    if os.name != "posix" or not _is_program():
        return
    if pipe := os.environ.pop(_HANDED_OVER, ""):
        with os.fdopen(int(pipe), encoding="utf-8") as handed:
            _held.update(json.load(handed))
        _hide_memory()
        return
    given = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if not given:
        return
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        json.dump(given, pipe)
    os.set_inheritable(reading, True)
    environment = without_secrets() | {_HANDED_OVER: str(reading)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _is_program() -> bool:
    """Whether this process was started as `d1lab`, and is not one that imports it."""
    arguments = sys.orig_argv[1:]
    if arguments[:1] == ["-m"]:
        return arguments[1:2] in (["d1lab"], ["d1lab.cli"])
    return Path(arguments[0]).name == "d1lab" if arguments else False


def _hide_memory() -> None:
    """Keep other processes of this user out of our memory; Linux only."""
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        return  # a C library without it: the environment is clean all the same
