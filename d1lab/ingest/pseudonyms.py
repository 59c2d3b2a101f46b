"""Pseudonymize customers: email addresses become stable keyed hashes.

The hash is HMAC-SHA256 with the project's secret salt: without the salt, nobody can test
addresses against it. The salt comes from the environment (D1LAB_SALT), or is generated once and
stored in the data folder, readable only by its owner. If it is lost, every customer gets a new ID.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from d1lab.errors import InputError
from d1lab.files import make_private, write_once

FILE_NAME = "salt"
MIN_LENGTH = 16  # characters; shorter salts can be guessed


def customer_salt(folder: Path, given: SecretStr | None) -> SecretStr:
    """Return the project's salt; generate it on first use.

    Args:
        folder: The project's data folder.
        given: The salt from the environment, if any.

    Raises:
        InputError: The salt is too short, its file is readable by others, or there are two salts.
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
            "a new ID. Unset D1LAB_SALT or remove the file, whichever is outdated."
        )
    return given


def pads(salt: SecretStr) -> tuple[bytes, bytes]:
    """Return the inner and outer key of HMAC-SHA256 (RFC 2104), for use in SQL."""
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
        raise InputError(f"{path} does not contain a salt of {MIN_LENGTH} characters or more")
    return SecretStr(text)


def _drawn(path: Path) -> SecretStr:
    """Generate and store a salt; if two processes do so at once, the first one's is used."""
    make_private(path.parent)
    write_once(path, secrets.token_hex(32) + "\n", mode=0o600)
    return SecretStr(path.read_text().strip())
