"""Prune: old runs go with their pages, the last ones stay, and what is lost is said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from d1lab.errors import InputError
from d1lab.jobs.prune import parse_days, prune
from d1lab.pages.storage import place, store_page
from d1lab.runs.record import RunRecord
from d1lab.runs.run import run_folder

NOW = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)


@pytest.fixture
def past(settings, ledger):
    """Makes a run of some days ago, with its folder, page and ledger row."""

    def make(
        days: int, status: str = "done", shop: str = "harbor", as_of: str = "", **fields
    ) -> RunRecord:
        at = NOW - timedelta(days=days)
        record = RunRecord(
            run_id=f"{at:%Y%m%dT%H%M%S}-inventory-{shop}",
            report="inventory",
            title="Turnover",
            shop=shop,
            status="done" if status == "running" else status,
            started_at=at,
            finished_at=at,
            as_of=as_of or f"{at:%Y-%m-%d}",
            **fields,
        )
        run_dir = run_folder(settings, "demo", record.run_id)
        run_dir.mkdir(parents=True)
        record.save(run_dir)
        page = place(settings.reports_dir, record)
        store_page(page, f"<p>{record.run_id}</p>", record, [], {})
        shown = page.relative_to(settings.reports_dir).as_posix()
        ledger.start(
            {
                "run_id": record.run_id,
                "series": shop,
                "as_of": str(record.as_of),
                "key": "",
                "inputs": "{}",
                "database": "demo",
                "shop": shop,
                "report": "inventory",
                "parameters": "{}",
                "status": "running",
                "started_at": at.isoformat(),
            }
        )
        if status != "running":
            ledger.finish(record, "k", {}, shown)
        return record

    return make


def removed(settings, ledger, **options) -> list[str]:
    options = {"keep_days": 90, "now": NOW} | options
    return [pruned.run_id for pruned in prune(settings, ledger, **options)]


def test_prune_removes_old_runs_with_their_pages(settings, ledger, past):
    """Folder, page, card and ledger row go; the newest stays `latest.html`."""
    old, new = past(100), past(10)
    assert removed(settings, ledger) == [old.run_id]
    assert not run_folder(settings, "demo", old.run_id).exists()
    assert run_folder(settings, "demo", new.run_id).is_dir()
    assert [e.run_id for e in ledger.entries()] == [new.run_id]
    shelf = settings.reports_dir / "demo" / "harbor" / "inventory"
    pages = sorted(path.name for path in shelf.iterdir())
    assert pages == ["2026-06-20.html", "2026-06-20.json", "latest.html"]
    latest = (shelf / "latest.html").read_text()
    assert latest == f"<p>{new.run_id}</p>"


def test_prune_keeps_the_last_run_and_the_last_good_one(settings, ledger, past):
    """However old: a report that no longer runs stays as it was, and so does one that is on."""
    past(400, "running")
    past(300)
    good = past(200)
    failed = past(150, "failed")
    other = past(500, shop="kiosk")
    removed(settings, ledger)
    kept = {e.run_id for e in ledger.entries()}
    assert {good.run_id, failed.run_id, other.run_id} < kept
    assert len(kept) == 4


def test_prune_keeps_one_good_run_a_week_and_a_month(settings, ledger, past):
    """Beyond the days to keep, the last good run of each; a failed run is none."""
    past(1)
    week = [past(days) for days in (16, 15)]  # June 14 and 15: Sunday and Monday
    month = [past(days) for days in (75, 70)]  # April 16 and 21
    failed = past(68, "failed")
    rule = {"keep_days": 10, "weeks": 4, "months": 3}
    assert removed(settings, ledger, **rule) == [month[0].run_id, failed.run_id]
    assert removed(settings, ledger, **{**rule, "weeks": 0}) == [run.run_id for run in week]


def test_prune_keeps_the_run_behind_the_stable_link(settings, ledger, past):
    """A later variant, made with somebody's own parameters, does not make it old."""
    own = past(200)
    variant = past(150, parameters={"days": 60}, given=("days",))
    assert removed(settings, ledger) == []
    assert {e.run_id for e in ledger.entries()} == {own.run_id, variant.run_id}


def test_prune_keeps_a_page_that_another_run_has_taken(settings, ledger, past):
    """Two runs of one day have one page: it is the later run's."""
    past(100, as_of="2026-05-31")
    past(10, as_of="2026-05-31")
    assert len(removed(settings, ledger)) == 1
    assert (settings.reports_dir / "demo" / "harbor" / "inventory" / "2026-05-31.html").is_file()


def test_prune_dry_run_only_tells(settings, ledger, past):
    """The list is the same, and nothing is gone; keep_days counts to the day."""
    old, _ = past(100), past(10)
    assert removed(settings, ledger, dry_run=True) == [old.run_id]
    assert removed(settings, ledger, dry_run=True, keep_days=100) == []
    assert run_folder(settings, "demo", old.run_id).is_dir()
    assert len(ledger.entries()) == 2


def test_prune_says_which_pushes_can_no_longer_be_undone(settings, ledger, past):
    """A before-image that a rollback could still use is named; one already used is not."""
    old, _ = past(100), past(10)
    images = run_folder(settings, "demo", old.run_id) / "push"
    images.mkdir()
    for table in ("inventory_impact", "customer_insights"):
        (images / f"{table}.before.parquet").write_bytes(b"0123456789")
    (images / "customer_insights.rolledback.json").write_text(json.dumps({}))
    (found,) = prune(settings, ledger, keep_days=90, now=NOW, dry_run=True)
    assert found.undo_lost == ("inventory_impact",)
    assert found.bytes > 20
    assert (found.report, found.shop) == ("inventory", "harbor")


def test_prune_takes_folders_that_the_ledger_does_not_know(settings, ledger, past):
    """Interactive work is a run of nobody's report; a folder without a time in its name stays."""
    past(10)
    runs = settings.folder("demo") / "runs"
    for name in ("20250101T060000123456Z-interactive", "notes"):
        (runs / name).mkdir()
        (runs / name / "file").write_text("x")
    assert removed(settings, ledger) == ["20250101T060000123456Z-interactive"]
    assert (runs / "notes").is_dir()


def test_parse_days_refuses_other_units():
    """`90d` and `90` are days; anything else is an input error."""
    assert parse_days("7") == 7
    for text in ("", "d", "3 months", "-1d", "1.5d"):
        with pytest.raises(InputError, match="invalid --keep"):
            parse_days(text)
