"""Secrets from the environment, removed from it at the start so that no child can read them.

On Linux, every process of a user can read `/proc/<pid>/environ` of the user's other processes, and
a variable that a process deletes later is still listed there. So `d1lab` restarts itself without
the secrets and passes them on through a pipe. From then on, they are only in its memory, which
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
"""Environment variables that hold secrets; they are never passed to another process."""

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
"""Environment variables that kernels receive; all others are removed."""

_KEPT_PREFIXES = ("LC_", "XDG_")
_HANDED_OVER = "D1LAB_SECRETS_FD"
_PR_SET_DUMPABLE = 4
_held: dict[str, str] = {}


def kernel_variables() -> dict[str, str]:
    """Return the part of the environment that kernels and helper processes receive."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in KEPT or name.upper().startswith(_KEPT_PREFIXES)
    }


def without_secrets() -> dict[str, str]:
    """Return the environment without the secrets, for programs such as JupyterLab."""
    return {k: v for k, v in os.environ.items() if k.upper() not in (*VARIABLES, _HANDED_OVER)}


def secret(*names: str) -> str | None:
    """Return the first of these secrets that is set, now or when the process started."""
    found = (os.environ.get(name) or _held.get(name) for name in names)
    return next((value for value in found if value), None)


def hide_secrets() -> None:
    """Remove the secrets from the environment of the program `d1lab`, and of no other program.

    Does nothing on Windows, where processes cannot read each other's environment.
    """
    if os.name != "posix" or not _is_program():
        return
    if pipe := os.environ.pop(_HANDED_OVER, ""):
        with os.fdopen(int(pipe), encoding="utf-8") as handed:
            _held.update(json.load(handed))
        hide_memory()
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
    """Whether this process was started as `d1lab`, rather than one that imports the package."""
    arguments = sys.orig_argv[1:]
    if arguments[:1] == ["-m"]:
        return arguments[1:2] in (["d1lab"], ["d1lab.cli"])
    return Path(arguments[0]).name == "d1lab" if arguments else False


def hide_memory() -> None:
    """Prevent other processes of this user from reading our memory; Linux only."""
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        return  # not in this C library; the environment is clean even so
