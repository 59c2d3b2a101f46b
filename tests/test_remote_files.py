"""Targets that fsspec opens, and errors of hosts that repeat no credential."""

from __future__ import annotations

import pytest

from d1lab.errors import D1labError, InputError, UnknownName
from d1lab.remote_files import host_errors, open_target


def test_a_target_is_a_folder_or_a_url(tmp_path):
    """Both come as a file system and a path without a slash at its end."""
    fs, path = open_target(f"{tmp_path}/", "Copying")
    assert (path, fs.exists(path)) == (str(tmp_path), True)
    fs, path = open_target("memory://somewhere/reports", "Copying")
    assert path == "/somewhere/reports"


@pytest.mark.parametrize("target", ["s3://me:secret@host/x", "https://host/x?key=secret"])
def test_a_target_with_a_credential_is_rejected_and_not_shown(target: str):
    """The message says where credentials belong."""
    with pytest.raises(InputError, match="environment") as caught:
        open_target(target, "Copying")
    assert "secret" not in str(caught.value)


def test_unknown_protocols_are_named():
    """A misspelling gets suggestions instead of an error of fsspec."""
    with pytest.raises(UnknownName, match="protocol"):
        open_target("s4://bucket", "Copying")


def test_host_errors_show_only_what_is_safe():
    """Of an error of the system its reason is shown, of any other one only its name."""
    reason = r"^copying: PermissionError: not yours$"
    with pytest.raises(D1labError, match=reason), host_errors("copying"):
        raise PermissionError(13, "not yours")
    with pytest.raises(D1labError, match="ValueError") as caught, host_errors("copying"):
        raise ValueError("token secret")
    assert "secret" not in str(caught.value)
