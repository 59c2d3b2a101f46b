"""The wheel is what people install: built here, unpacked elsewhere, and run in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ingest.events import track
from tests.support import small_shop

ROOT = Path(__file__).parents[1]
D1LAB = "import sys; from d1lab.cli import main; sys.argv[0] = 'd1lab'; main()"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel's files lie in, as `pip install` would put them."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", folder], cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("d1lab-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_has_every_file_of_the_package(unpacked: Path):
    """Code, SQL, templates, labels, Workers, notebooks; no test, and nothing that was made here."""
    inside = {path.relative_to(unpacked / "d1lab") for path in (unpacked / "d1lab").rglob("*.*")}
    listed = subprocess.run(
        [
            "git",
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "d1lab",
            "notebooks",
            "worker",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    files = {Path(name) for name in listed if (ROOT / name).is_file()}
    expected = {path.relative_to("d1lab") if path.parts[0] == "d1lab" else path for path in files}
    built = {path for path in inside if path.parent.name != "__pycache__"}  # of another test
    assert {path for path in built if (unpacked / "d1lab" / path).is_file()} == expected
    assert {path.name.partition("-")[0] for path in unpacked.iterdir()} == {"d1lab"}
    [extension] = unpacked.glob("d1lab-*.data/data/share/jupyter/labextensions/d1lab")
    assert (extension / "static" / "remoteEntry.js").is_file()  # where `jupyter lab` looks


def test_wheel_pulls_and_runs_in_an_empty_folder(unpacked: Path, tmp_path: Path):
    """The packaged notebooks make the pages; the checkout is not looked at."""
    database = tmp_path / "data" / "demo" / "d1.sqlite"
    db = SqliteDatabase.create(database)
    migrate(db)
    track(db, small_shop.events())
    small_shop.write_stock(db)
    db.close()
    ours = {name: value for name, value in os.environ.items() if not name.startswith("D1LAB_")}
    environment = ours | {"PYTHONPATH": str(unpacked)}

    def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert str(unpacked) in python("import d1lab; print(d1lab.__file__)").stdout
    ran = python(D1LAB, "run", "inventory", "--json")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "reports" / "demo" / "corner" / "inventory" / "latest.html").is_file()
    assert not (tmp_path / "notebooks").exists()
