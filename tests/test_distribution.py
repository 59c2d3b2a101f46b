"""What every project has: license, citation, metadata, hooks, and an image; they agree."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from d1lab.version import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
AUTHORS = "d1lab contributors"


@pytest.fixture(scope="module")
def image() -> list[list[str]]:
    """The instructions of the Containerfile, as words; a backslash continues a line."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [line.split() for line in lines]


def test_license_is_mit_by_the_contributors():
    """The text, the metadata, and the citation name the same license and holders."""
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("MIT License\n")
    assert f"Copyright (c) 2026 {AUTHORS}" in text
    assert PROJECT["license"] == "MIT"
    assert PROJECT["authors"] == [{"name": AUTHORS}]


def test_citation_agrees_with_the_metadata():
    """Version, license, and authors of CITATION.cff."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__ == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == [{"name": AUTHORS}]


def test_jupyterlab_extension_has_the_version():
    """JupyterLab shows it; `load` is the file that it loads."""
    folder = ROOT / "d1lab" / "lab" / "labextensions" / "d1lab"
    described = json.loads((folder / "package.json").read_text())
    assert described["version"] == __version__
    assert (folder / described["jupyterlab"]["_build"]["load"]).is_file()


def test_metadata_is_complete():
    """Every supported Python, keywords, URLs, and the marker of typed code in the package."""
    classifiers = PROJECT["classifiers"]
    for minor in (11, 12, 13, 14):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers
    assert "Typing :: Typed" in classifiers
    assert (ROOT / "d1lab" / "py.typed").is_file()
    assert {"Documentation", "Repository", "Issues", "Changelog"} <= set(PROJECT["urls"])
    assert len(PROJECT["keywords"]) >= 5


def test_changelog_has_an_entry_for_this_version():
    """The first heading below the title is the version of the package."""
    [first, *_] = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first == __version__


def test_hooks_are_the_checks_of_make_check():
    """Each command of `make check` is a local hook, and there is no other hook."""
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    checks = re.findall(r"\$\(BIN\)/([^&\n]+)", recipe[1])
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [entry["repo"] for entry in config["repos"]] == ["local"]
    entries = [hook["entry"].removeprefix(".venv/bin/") for hook in config["repos"][0]["hooks"]]
    assert entries == [check.strip() for check in checks]


def test_image_runs_d1lab_as_a_user_without_rights(image):
    """The last USER is no root, set after the last RUN, and the container runs `d1lab run`."""
    names = [words[0] for words in image]
    [user] = [words[1] for words in image if words[0] == "USER"]
    assert user not in ("root", "0")
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    assert ["ENTRYPOINT", '["d1lab"]'] in image
    assert ["CMD", '["run"]'] in image


def test_image_copies_what_exists_and_what_the_package_needs(image):
    """Each source of a COPY is in the repository, and the build finds what pyproject names."""
    sources = {source for words in image if words[0] == "COPY" for source in words[1:-1]}
    assert all((ROOT / source).exists() for source in sources)
    assert {
        "pyproject.toml",
        "constraints.txt",
        PROJECT["readme"],
        *PROJECT["license-files"],
    } <= sources
    assert {"d1lab/", "notebooks/"} <= sources


def test_image_installs_extras_that_exist(image):
    """The extras in the pip command are those of pyproject.toml, and its user is created."""
    [run] = [" ".join(words[1:]) for words in image if words[0] == "RUN"]
    [wanted] = re.findall(r"\.\[([\w,]+)\]", run)
    assert set(wanted.split(",")) <= set(PROJECT["optional-dependencies"])
    assert "-c constraints.txt" in run
    created = next(part for part in run.split("&&") if "useradd" in part)
    assert shlex.split(created)[-1] == "d1lab"
    guide = (ROOT / "docs" / "guide" / "fleet.md").read_text()
    assert "--target s3://" in guide
    [installed] = re.findall(r"pip install 'd1lab\[fleet\]'(.*)", guide)
    assert "s3fs" in shlex.split(run.split("&&")[0]), "the guide's target needs it"
    assert installed.split() == ["s3fs"]
