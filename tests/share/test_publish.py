"""Publishing copies only what differs, deletes only on request, and shows no credential."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations

from d1lab.errors import D1labError, InputError, UnknownName
from d1lab.files import write
from d1lab.share.publish import RECORD, publish

FILES = {
    "index.html": "index",
    "demo/harbor/inventory/2026-05-31.html": "page",
    "demo/harbor/inventory/latest.html": "page",
    "demo/harbor/inventory/2026-05-31/cover.csv": "sku\n1\n",
}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Four completed files, and others that are not published."""
    folder = tmp_path / "reports"
    homely = {
        "demo/harbor/inventory/2026-05-31.json": "{}",
        "demo/harbor/inventory/x.html.part": "half",
    }
    for name, text in (FILES | homely | {".cache/a/b.html": "x"}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(params=["folder", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder that does not exist yet, and a host behind a URL."""
    if request.param == "folder":
        yield str(tmp_path / "site" / "reports")
        return
    MemoryFileSystem.store.clear()
    yield "memory://bucket/reports"
    MemoryFileSystem.store.clear()


def _held(target: str) -> dict[str, str]:
    """Return the target's files without the record."""
    fs, root = fsspec.url_to_fs(target)
    fs.invalidate_cache()
    texts = {path: fs.cat_file(path).decode() for path in fs.find(root)}
    prefix = f"{fs._strip_protocol(root)}/"
    names = {path.removeprefix(prefix): text for path, text in texts.items()}
    return {name: text for name, text in names.items() if name != RECORD}


def _actions(result) -> list[tuple[str, str]]:
    return [(file.action, file.path) for file in result.files]


def test_publish_copies_finished_pages_and_the_index_last(reports: Path, target: str):
    """Metadata, partial files, and hidden files are not copied."""
    result = publish(reports, target)
    assert _held(target) == FILES
    assert [path for _, path in _actions(result)] == [
        "demo/harbor/inventory/2026-05-31/cover.csv",
        "demo/harbor/inventory/2026-05-31.html",
        "demo/harbor/inventory/latest.html",
        "index.html",
    ]
    assert (result.bytes, result.unchanged) == (sum(map(len, FILES.values())), 0)


def test_pages_of_a_fleet_come_along(reports: Path, target: str):
    """The page of all shops leads to them; they come before the index of their database."""
    page, index = "fleet.d/kiel/kiel/quay/overview/2026-05-31.html", "fleet.d/kiel/index.html"
    for name in (page, index, "fleet.d/kiel/kiel/quay/overview/2026-05-31.json"):
        (reports / name).parent.mkdir(parents=True, exist_ok=True)
        (reports / name).write_text(name)
    result = publish(reports, target)
    assert _held(target) == FILES | {page: page, index: index}
    assert [path for _, path in _actions(result)][-2:] == [index, "index.html"]
    assert [path for _, path in _actions(result)].index(page) < 4


def test_publish_copies_the_other_files_of_a_large_index(reports: Path, tmp_path: Path):
    """More than 1,000 shops are spread over several files, and one with all names."""
    for name in ("index-2.html", "shops.html"):
        (reports / name).write_text(name)
    publish(reports, str(tmp_path / "site"))
    assert {"index-2.html", "shops.html"} <= _held(str(tmp_path / "site")).keys()


def test_publish_again_copies_nothing(reports: Path, target: str):
    """Equal content is not sent again, whatever the files' times are."""
    publish(reports, target)
    os.utime(reports / "index.html", (0, 0))
    result = publish(reports, target)
    assert (result.files, result.unchanged) == ((), 4)


def test_publish_detects_a_change_that_keeps_the_size(reports: Path, target: str):
    """Today's latest.html often has the same length as yesterday's."""
    publish(reports, target)
    (reports / "demo/harbor/inventory/latest.html").write_text("PAGE")
    assert _actions(publish(reports, target)) == [("changed", "demo/harbor/inventory/latest.html")]
    assert _held(target)["demo/harbor/inventory/latest.html"] == "PAGE"


def test_publish_restores_what_others_removed_or_cut(reports: Path, target: str):
    """The host must list the file with its size, in addition to the record."""
    publish(reports, target)
    fs, root = fsspec.url_to_fs(target)
    fs.rm_file(f"{root}/index.html")
    fs.pipe_file(f"{root}/demo/harbor/inventory/latest.html", b"pa")
    assert _actions(publish(reports, target)) == [
        ("changed", "demo/harbor/inventory/latest.html"),
        ("new", "index.html"),
    ]
    assert _held(target) == FILES


def test_a_dry_run_changes_nothing(reports: Path, target: str):
    """It lists the same steps, and the target is unchanged."""
    said = publish(reports, target, dry_run=True)
    assert _held(target) == {}
    assert said == publish(reports, target)


def test_only_published_files_are_deleted_and_only_on_request(reports: Path, target: str):
    """A pruned page stays on the host until --delete; other files always stay."""
    publish(reports, target)
    fs, root = fsspec.url_to_fs(target)
    fs.pipe_file(f"{root}/about.html", b"theirs")
    gone = "demo/harbor/inventory/2026-05-31.html"
    (reports / gone).unlink()
    assert publish(reports, target).files == ()
    assert gone in _held(target)
    assert _actions(publish(reports, target, delete=True, dry_run=True)) == [("removed", gone)]
    assert gone in _held(target)
    assert _actions(publish(reports, target, delete=True)) == [("removed", gone)]
    assert _held(target).keys() == FILES.keys() - {gone} | {"about.html"}
    assert publish(reports, target, delete=True).files == ()


def test_publish_reports_its_progress(reports: Path, target: str):
    """The callback gets each file."""
    told: list[tuple[str, int, int]] = []
    publish(reports, target, progress=lambda *step: told.append(step))
    assert told == [("publish", n, 4) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("inner", ["", "reports", "reports/harbor"])
def test_publish_rejects_a_target_around_or_inside_the_pages(reports: Path, inner: str):
    """Otherwise copies would be copied."""
    with pytest.raises(InputError, match="must not overlap"):
        publish(reports, str(reports.parent / inner))


def test_publish_without_pages_says_how_to_make_them(tmp_path: Path):
    """The error names the command that creates the index."""
    with pytest.raises(InputError, match="d1lab run"):
        publish(tmp_path / "reports", str(tmp_path / "site"))


def test_an_unknown_protocol_is_named_with_the_nearest(reports: Path):
    """A typo is not reported as a missing package."""
    with pytest.raises(UnknownName, match="Did you mean 'memory'"):
        publish(reports, "memry://bucket")


def test_a_missing_backend_names_the_package(reports: Path, monkeypatch: pytest.MonkeyPatch):
    """The error says what to install."""
    absent = {"class": "absent_package.FileSystem", "err": "Install absent_package"}
    monkeypatch.setitem(known_implementations, "absent", absent)
    with pytest.raises(InputError, match="pip install absent_package"):
        publish(reports, "absent://bucket")


@pytest.mark.parametrize("target", ["sftp://me:s3cret@host/www", "s3://bucket/x?token=s3cret"])
def test_a_password_in_the_target_is_rejected_and_not_shown(reports: Path, target: str):
    """Credentials come from the environment only."""
    with pytest.raises(InputError, match="environment") as caught:
        publish(reports, target)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (PermissionError("Access Denied"), "PermissionError: Access Denied"),
        (RuntimeError("signed with s3cret"), "RuntimeError. Check"),
    ],
)
def test_an_error_of_a_host_is_one_line_without_secrets(
    reports: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, shown: str
):
    """The error's class is shown, but not its text, which can contain a credential."""

    def refuse(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(MemoryFileSystem, "put_file", refuse)
    with pytest.raises(D1labError, match="publishing to memory://refusing") as caught:
        publish(reports, "memory://refusing")
    assert shown in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__
    MemoryFileSystem.store.clear()


def test_a_publish_that_stopped_in_the_middle_is_finished_by_the_next(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Files without a record are copied again, and the record is complete afterwards."""
    site = tmp_path / "site"

    def stop(place: Path, content: bytes) -> None:
        if place.name == "index.html":
            raise OSError(28, "No space left on device")
        write(place, content)

    monkeypatch.setattr("d1lab.share.publish.write", stop)
    with pytest.raises(D1labError, match="No space left"):
        publish(reports, str(site))
    assert "index.html" not in _held(str(site))
    monkeypatch.undo()
    assert len(publish(reports, str(site)).files) == 4
    assert json.loads((site / RECORD).read_text()).keys() == FILES.keys()
    assert _held(str(site)) == FILES
