"""Pseudonymize customers: email addresses become stable keyed hashes.

The hash is HMAC-SHA256 under a salt that only the project knows: without it no one can try
addresses out. The salt comes from the environment (D1LAB_SALT), or is drawn once and kept in the
data folder, readable by its owner alone. Whoever loses it gives every customer a new identity.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from d1lab.errors import InputError
from d1lab.files import write_once

FILE_NAME = "salt"
MIN_LENGTH = 16  # characters: less can be tried out


def customer_salt(folder: Path, given: SecretStr | None) -> SecretStr:
    """The salt of a project; it is drawn when it is first needed.

    Args:
        folder: The project's data folder.
        given: The one in the environment, if any.

    Raises:
        InputError: It is too short, others can read its file, or two different salts are there.
    """
    path = folder / FILE_NAME
    kept = _kept(path)
    if given is None:
        return kept or _drawn(path)
    if len(given.get_secret_value()) < MIN_LENGTH:
        raise InputError(f"D1LAB_SALT is shorter than {MIN_LENGTH} characters")
    if kept and kept != given:
        raise InputError(
            f"D1LAB_SALT differs from the salt in {path}, so every customer would get "
            "a new ID. Unset D1LAB_SALT or remove the file, whichever is wrong."
        )
    return given


def pads(salt: SecretStr) -> tuple[bytes, bytes]:
    """The inner and the outer key of HMAC-SHA256 (RFC 2104), for use in SQL."""
    import hashlib

    key = salt.get_secret_value().encode()
    key = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    return bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)


def _kept(path: Path) -> SecretStr | None:
    if not path.exists():
        return None
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise InputError(f"{path} is readable by other users. Run: chmod 600 {path}")
    text = path.read_text().strip()
    if len(text) < MIN_LENGTH:
        raise InputError(f"{path} holds no salt of {MIN_LENGTH} characters or more")
    return SecretStr(text)


def _drawn(path: Path) -> SecretStr:
    """A new salt, kept; of two processes that draw at once, the first one's counts."""
    write_once(path, secrets.token_hex(32) + "\n", mode=0o600)
    return SecretStr(path.read_text().strip())
