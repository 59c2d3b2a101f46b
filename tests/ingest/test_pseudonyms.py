"""The salt is created once, readable only by its owner, and never replaced by a second one."""

from __future__ import annotations

import hashlib
import hmac

import duckdb
import pytest
from pydantic import SecretStr

from d1lab.errors import InputError
from d1lab.ingest.pseudonyms import customer_salt, pads

GIVEN = SecretStr("from the environment")


def test_salt_is_created_once(tmp_path):
    """The second call reads the first one's file, which other users cannot read."""
    folder = tmp_path / "data"
    salt = customer_salt(folder, None)
    assert len(salt.get_secret_value()) == 64
    assert customer_salt(folder, None) == salt
    assert [path.name for path in folder.iterdir()] == ["salt"]
    assert (folder / "salt").stat().st_mode & 0o777 == 0o600
    assert salt.get_secret_value() not in repr(salt)


def test_salt_of_the_environment_is_not_stored(tmp_path):
    """A different one in the file is an error, which shows neither."""
    assert customer_salt(tmp_path, GIVEN) == GIVEN
    assert list(tmp_path.iterdir()) == []
    drawn = customer_salt(tmp_path, None).get_secret_value()
    with pytest.raises(InputError, match="would get a new ID") as refused:
        customer_salt(tmp_path, GIVEN)
    assert drawn not in str(refused.value)
    assert GIVEN.get_secret_value() not in str(refused.value)


def test_salt_that_others_can_read_or_guess_is_rejected(tmp_path):
    """The file must be private, and the salt at least 16 characters long."""
    customer_salt(tmp_path, None)
    (tmp_path / "salt").chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        customer_salt(tmp_path, None)
    (tmp_path / "salt").chmod(0o600)
    (tmp_path / "salt").write_text("short")
    with pytest.raises(InputError, match="16 characters"):
        customer_salt(tmp_path, None)
    with pytest.raises(InputError, match="D1LAB_SALT is shorter"):
        customer_salt(tmp_path / "other", SecretStr("short"))


@pytest.mark.parametrize("length", [16, 64, 65, 200])
def test_pads_are_those_of_hmac(length):
    """Long keys are hashed first, as in RFC 2104; Python's hmac is the reference."""
    key = "k" * length
    inner, outer = pads(SecretStr(key))
    sql = "SELECT sha256($outer || unhex(sha256($inner || encode('ada@example.com'))))"
    with duckdb.connect() as con:
        ((found,),) = con.execute(sql, {"inner": inner, "outer": outer}).fetchall()
    assert found == hmac.new(key.encode(), b"ada@example.com", hashlib.sha256).hexdigest()
