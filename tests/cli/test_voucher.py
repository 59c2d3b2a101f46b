"""`d1lab voucher`: a test is planned, assigned, shown, evaluated, and dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from d1lab.ops import vouchers
from tests.ops.test_vouchers import overdue


@pytest.fixture
def _many_overdue(pulled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project whose shop has 60 overdue customers."""
    monkeypatch.setattr(vouchers, "overdue_on", lambda *_: overdue(60))


@pytest.mark.usefixtures("_many_overdue")
def test_a_test_is_assigned_shown_and_dropped(run, pulled: Path) -> None:
    """A dry run writes nothing; the next pull has the test, and its result says when it starts."""
    assign = "voucher", "assign", "winback", "--code", "BACK10"
    dry = run(*assign, "--dry-run", "--csv", "out", "--json").json
    assert (dry["sent"], dry["held_out"], dry["dry_run"]) == (30, 30, True)
    assert not (pulled / "out").exists()
    assert run("voucher", "show", "--json").json == []
    made = run(*assign, "--csv", "out")
    assert made.code == 0
    assert made.out.splitlines()[1].split("\t")[:3] == ["1", "6", "6"]
    assert "send BACK10 to 30 customers on 2026-04-30, and not to the 30 held out" in made.err
    assert "25 are required to know how they vary" in made.err
    assert (pulled / "out" / "winback-held-out.csv").is_file()
    shown = run("voucher", "show", "winback", "--json").json
    assert shown["customers"] == dry["customers"]
    assert "already assigned on 2026-04-29" in run(*assign).err
    assert run("pull").code == 0
    assert run("voucher", "result").out == (
        "winback (BACK10): sent on 2026-04-30. 30 customers sent, 30 held out.\n"
    )
    assert run("voucher", "result", "winback", "--json").json[0]["status"] == "to come"
    assert "winback with 60 customers would be deleted" in run(
        "voucher", "drop", "winback", "--dry-run"
    ).err  # fmt: skip
    assert run("voucher", "drop", "winback", "--json").json["sent"] == 30
    assert run("voucher", "show", "--json").json == []


@pytest.mark.usefixtures("pulled")
def test_bad_input_is_one_line_and_exit_code_2(run) -> None:
    """Seven customers are too few; unknown names, lifts, and shops are named."""
    for arguments, message in {
        ("assign", "x", "--code", "C"): "too few to learn: 0 overdue customers",
        ("assign", "../x", "--code", "C"): "invalid name '../x'",
        ("assign", "x", "--code", ""): "invalid --code ''",
        ("show", "x"): "no voucher test 'x'",
        ("result", "x"): "no voucher test 'x'",
        ("show", "--csv", "out"): "--csv requires the name of a test",
        ("plan", "--lift", "x"): "invalid rate 'x'",
        ("plan", "--shop", "nope"): "nope",
    }.items():
        ended = run("voucher", *arguments)
        assert ended.code == 2, arguments
        assert message in ended.err
        assert ended.err.count("\n") == 1


@pytest.mark.usefixtures("pulled")
def test_a_plan_says_why_it_is_not_known(run) -> None:
    first, header, *rows = run("voucher", "plan", "--lift", "50%").out.splitlines()
    assert first.startswith("0 overdue customers. What they can show is not known")
    assert header.split("\t") == ["lift", "needed", "available", "is_enough", "reason"]
    assert len(rows) == 1
