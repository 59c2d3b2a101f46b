"""Folders and hosts that fsspec knows, such as s3://bucket/reports, and their errors."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from d1lab.errors import D1labError, InputError, UnknownName
from d1lab.extras import require


def open_target(target: str, action: str) -> tuple[Any, str]:
    """Return the file system and the path of a target.

    Args:
        target: A folder, or a URL. Credentials come from the environment, as for the host's own
            tools.
        action: What the target is for, such as 'Publishing pages'.

    Raises:
        InputError: The target contains a password, or needs a package that is not installed.
        UnknownName: Its protocol is unknown.
    """
    check_target(target)
    require("share", action)
    import fsspec
    from fsspec.registry import known_implementations

    protocol = target.partition("://")[0] if "://" in target else "file"
    if protocol not in known_implementations:
        raise UnknownName("protocol", protocol, known_implementations, f"target {target!r}")
    try:
        opened = cast("tuple[Any, str]", fsspec.url_to_fs(target))  # pyright: ignore[reportUnknownMemberType]
    except ImportError:
        known = known_implementations[protocol]
        package = known["class"].partition(".")[0]
        todo = f"pip install {package}" if package != "fsspec" else known.get("err", "")
        raise InputError(
            f"{action} to {protocol}:// takes a package that is not installed: {todo}"
        ) from None
    return opened[0], opened[1].rstrip("/")


def check_target(target: str) -> str:
    """Return the target, which can be shown in messages.

    Raises:
        InputError: It contains a password. The message does not show the target.
    """
    parts = urlsplit(target)
    if parts.password is not None or parts.query:
        raise InputError(
            "remove the password or query from the target URL. Set credentials in the environment "
            "variables that the host's own tools use."
        )
    return target


@contextmanager
def host_errors(action: str) -> Generator[None]:
    """Raise a host's error as one line; if it is not a system error, only with its name.

    Each backend raises its own errors, whose text can contain a credential.

    Args:
        action: What fails, such as 'publishing to s3://bucket'.
    """
    try:
        yield
    except D1labError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise D1labError(f"{action}: {type(error).__name__}: {reason}") from None
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        raise D1labError(
            f"{action}: {type(error).__name__}. Check the host's address and the credentials in "
            "the environment."
        ) from None
