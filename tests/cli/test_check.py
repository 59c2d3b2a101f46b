"""The command check: its exit codes, its rows, and its JSON."""

from __future__ import annotations

from tests.support.command_line import assert_refused

METRIC = """\
-- lines_per_day: order lines per day
-- unit: order lines      grain: day      reads: order_lines
-- assert: unique day
SELECT day, count(*) AS lines FROM order_lines WHERE shop = $shop GROUP BY day
"""


def test_check_has_exact_exit_codes(project, run):
    """0 nothing broken, 1 broken files, 2 an unknown name, 3 no data."""
    (project / "metrics").mkdir()
    path = project / "metrics" / "lines_per_day.sql"
    path.write_text(METRIC)
    assert_refused(run("check", "lines_per_day"), "d1lab pull", code=3)
    assert run("pull").code == 0
    well = run("check", "lines_per_day")
    assert (well.code, well.out) == (0, "")
    assert "check: 1 metric with 1 assertion, 0 notebooks; 0 broken files" in well.err
    path.write_text(METRIC.replace("unique day", "lines < 0"))
    broken = run("check", "lines_per_day")
    assert broken.code == 1
    assert broken.out.startswith("file\tproblem\nmetrics/lines_per_day.sql\tthe assertion")
    found = run("check", "lines_per_day", "--json")
    assert found.code == 1
    assert found.json["broken"][0]["path"] == str(path)
    assert_refused(run("check", "line_per_day"), "Did you mean 'lines_per_day'")
