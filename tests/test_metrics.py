"""Metrics: consistency of their files, and strict validation of parameters."""

from __future__ import annotations

import re
import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from d1lab import catalog
from d1lab.errors import InputError, UnknownName
from d1lab.lab.dictionary import VIEWS
from d1lab.metrics import (
    FOLDER,
    broken_metrics,
    check_parameters,
    evaluate,
    load_metrics,
    parameters_from_text,
    parse_metric,
)
from d1lab.select_statements import tables_read
from d1lab.warehouse import open_warehouse
from d1lab.warehouse.views import OF_ALL_SHOPS

SQL = """\
-- sold_units: units sold
-- per SKU over a period
-- unit: units      grain: sku, day      reads: order_lines
-- $since: first day of the period
SELECT sku, sum(units) FROM order_lines
WHERE shop = $shop AND day >= $since::DATE AND units > $least::INTEGER GROUP BY sku
"""

METRICS = sorted(load_metrics())


def test_parse_metric_reads_the_header():
    """Name, description in two lines, unit, grain, reads, and parameters with type and note."""
    metric = parse_metric(SQL)
    assert metric.name == "sold_units"
    assert metric.sentence == "units sold per SKU over a period"
    assert (metric.unit, metric.grain, metric.reads) == ("units", ("sku", "day"), ("order_lines",))
    assert [(p.name, p.type) for p in metric.parameters.values()] == [
        ("shop", ""),
        ("since", "DATE"),
        ("least", "INTEGER"),
    ]
    assert metric.parameters["since"].note == "first day of the period"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- sold_units: units sold", "-- Units sold", "the first line"),
        ("reads: order_lines", "", "has no 'reads"),
        ("$since: first", "$sinse: first", "Did you mean 'since'"),
        (
            "SELECT sku",
            "DELETE FROM x; SELECT sku",
            "only a single SELECT is allowed, not DELETE, SELECT",
        ),
        ("SELECT sku", "SELCT sku", "invalid SQL"),
        ("units > $least", "units > $since::INTEGER + $least", "cast to DATE and INTEGER"),
    ],
)
def test_parse_metric_refuses(old, new, said):
    """An incomplete header, a note without a parameter, and SQL that does not only read."""
    with pytest.raises(InputError, match="(?s)" + said.replace("(", r"\(")):
        parse_metric(SQL.replace(old, new))


def test_parse_metric_leaves_remarks_out_of_the_header():
    """An empty comment line ends the header; remarks follow it."""
    remarks = "-- $since: first day of the period\n--\n-- unit: of the old file was pieces\n"
    metric = parse_metric(SQL.replace("-- $since: first day of the period\n", remarks))
    assert metric == parse_metric(SQL)._replace(sql=metric.sql)


def test_load_metrics_takes_a_projects_own(tmp_path):
    """A file in the project's folder metrics/ is a metric; a missing folder adds none."""
    (tmp_path / "sold_units.sql").write_text(SQL)
    assert load_metrics(tmp_path)["sold_units"].grain == ("sku", "day")
    assert load_metrics(tmp_path / "absent") == load_metrics()


def test_load_metrics_reads_a_changed_file_again(tmp_path):
    """An analyst edits a metric and calls it again in the same session."""
    path = tmp_path / "sold_units.sql"
    path.write_text(SQL)
    load_metrics(tmp_path)
    path.write_text(SQL.replace("units sold\n", "pieces sold\n"))
    assert load_metrics(tmp_path)["sold_units"].sentence.startswith("pieces")


def test_a_file_that_is_no_metric_stops_no_other(tmp_path):
    """It is left out, and named by its path with one sentence; the others are metrics."""
    (tmp_path / "sold_units.sql").write_text(SQL)
    (tmp_path / "units_sold.sql").write_text(SQL)  # the stem is the name everywhere
    (tmp_path / "turnover.sql").write_text(SQL.replace("sold_units", "turnover"))
    (tmp_path / "empty.sql").write_text("")
    (tmp_path / "headless.sql").write_text("SELECT 1")
    (tmp_path / "latin.sql").write_bytes(b"-- caf\xe9")
    (tmp_path / "folder.sql").mkdir()
    (tmp_path / "away.sql").symlink_to(tmp_path / "nowhere")
    found, broken = load_metrics(tmp_path), broken_metrics(tmp_path)
    assert found["sold_units"].grain == ("sku", "day")
    assert found["turnover"] == load_metrics()["turnover"]
    assert found.keys() == {*load_metrics(), "sold_units"}
    assert "the name in the header, 'sold_units'" in broken.pop("units_sold")
    assert "turnover_v2" in broken.pop("turnover")  # a change of meaning is a new name
    assert set(broken) == {"empty", "headless", "latin", "folder", "away"}
    assert all(said.startswith(f"{tmp_path / name}.sql: ") for name, said in broken.items())


def test_a_metric_that_labels_a_column_otherwise_stops_no_other(tmp_path):
    """One name means one thing; the file that breaks that is left out."""
    (tmp_path / "sold_units.sql").write_text(SQL)
    label = "-- revenue: Something else, money\n-- $since"
    theirs = SQL.replace("sold_units", "theirs").replace("-- $since", label)
    (tmp_path / "theirs.sql").write_text(theirs)
    assert "sold_units" in load_metrics(tmp_path)
    assert "labels 'revenue' as 'Something else'" in broken_metrics(tmp_path)["theirs"]


@pytest.mark.parametrize("name", METRICS)
def test_metric_reads_what_its_header_says(name):
    """`reads:` lists exactly the views, for data sources and the note on simulated data."""
    metric = load_metrics()[name]
    assert set(metric.reads) == set(tables_read(metric.sql))
    assert set(metric.reads) <= {path.stem for path in VIEWS.glob("*.sql")}


GIVEN = {
    "shop": "harbor",
    "since": "2026-05-01",
    "until": "2026-05-08",
    "days": 30,
    "weeks": 9,
    "later_days": 30,
    "horizon_days": 28,
    "mode": "quintile",
    "test_id": "t1",
    "currency": "USD",
    "max_age_days": 14,
    "own_days": 90,
    "sku": "plain",
    **{f"day_{number}": f"2026-05-{number:02}" for number in range(1, 8)},
}
"""A value for each parameter that metrics take; a new one belongs here, too."""


@pytest.mark.parametrize("name", METRICS)
def test_metric_casts_days_and_counts(name):
    """Dates and numbers are cast, so that invalid values are rejected before DuckDB casts."""
    types = {p.name: p.type for p in load_metrics()[name].parameters.values()}
    expected = {"since": "DATE", "until": "DATE", "days": "INTEGER"}
    assert {p: types[p] for p in types if p in expected} == {
        p: expected[p] for p in types if p in expected
    }


@pytest.mark.parametrize("name", METRICS)
def test_metric_has_one_row_per_grain_and_is_the_same_each_time(name, tiny_lab):
    """The header's grain is a key of the result, and the order is fixed."""
    metric = load_metrics()[name]
    params = {p: GIVEN[p] for p in metric.parameters}
    frame = tiny_lab.metric(name, **params)
    assert not frame.duplicated(list(metric.grain)).any()
    assert frame.equals(tiny_lab.metric(name, **params))


def _with_another_shop(con: duckdb.DuckDBPyConnection) -> None:
    """Add a shop with the rows of 'harbor': as they are, and with a 0 in one column at a time."""
    for table in catalog.TABLES.values():
        names = {column.name for column in table.columns}
        if "shop" not in names:
            continue
        con.execute(f"CREATE TEMP TABLE held AS FROM raw.{table.name} WHERE shop = 'harbor'")
        changed = ["'other' AS shop"]
        changed += [f"concat('other ', {name}) AS {name}" for name in names & {"test_id"}]
        zeros = [f"0 AS {c.name}" for c in table.columns if c.type in ("integer", "real", "money")]
        for zero in ([], *([each] for each in zeros)):
            con.execute(
                f"INSERT INTO raw.{table.name} "
                f"SELECT * REPLACE ({', '.join(changed + zero)}) FROM held"
            )
        con.execute("DROP TABLE held")


def test_what_metrics_and_views_say_of_a_shop_rests_on_its_rows(tiny_warehouse, tmp_path):
    """Whatever another shop has, except where the view is listed; so its changes are not due."""
    shutil.copyfile(tiny_warehouse, tmp_path / "warehouse.duckdb")
    views = {path.stem for path in VIEWS.glob("*.sql")} - OF_ALL_SHOPS.keys()
    metrics = [
        metric for metric in load_metrics().values()
        if "shop" in metric.parameters and not OF_ALL_SHOPS.keys() & set(metric.reads)
    ]  # fmt: skip

    def told() -> dict[str, list[str]]:
        with open_warehouse(tmp_path) as con:
            found = {v: con.sql(f"FROM d1lab.{v} WHERE shop = 'harbor'") for v in views}
            rows = {name: sorted(map(repr, found[name].fetchall())) for name in views}
            for metric in metrics:
                params = {name: GIVEN[name] for name in metric.parameters}
                rows[metric.name] = [str(evaluate(con, metric, params))]
        return rows

    before = told()
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        _with_another_shop(con)
    assert told() == before
    assert len(before) > 30


def test_tables_are_read_off_without_another_database(monkeypatch):
    """DuckDB takes six times as long to open one, for each view behind what a run has read."""
    tables_read.cache_clear()
    monkeypatch.delattr("duckdb.connect")
    assert tables_read("WITH a AS (FROM raw.x) FROM a JOIN v USING (id)") == ("raw.x", "v")


def test_views_read_tables_of_d1_and_other_views():
    """A view renames and converts; what it reads is a table of D1 or a view that reads one."""
    paths = sorted(VIEWS.glob("*.sql"))
    views = {path.stem for path in paths}
    for path in paths:
        read = tables_read(path.read_text())
        assert read, path.name
        assert all(name in views or name.startswith(("raw.", "history.")) for name in read), path
    assert FOLDER.is_dir()


@pytest.mark.parametrize(
    "path", [*sorted(VIEWS.glob("*.sql")), *(FOLDER.rglob("*.sql"))], ids=lambda path: path.stem
)
def test_sql_counts_where_it_asks_whether_rows_exist(path):
    """EXISTS over a common table, beside joins, can wait for ever in DuckDB with two threads."""
    assert not re.search(r"\bEXISTS\s*\(\s*(FROM|SELECT)\b", path.read_text(), re.IGNORECASE)


def test_order_lines_make_refunds_negative(tiny_lab):
    """Sums over order_lines are net: units, revenue, and discount of a refund are negative."""
    [(units, revenue, amount, price)] = tiny_lab.sql(
        "SELECT units, revenue, discount_amount, list_price FROM order_lines WHERE type = 'refund'"
    ).fetchall()
    assert (units, revenue, amount, price) == (-2, Decimal(-18), Decimal(-2), Decimal(10))


def test_inventory_days_keep_an_unknown_sum_unknown(tiny_lab):
    """A missing count is not a zero."""
    rows = tiny_lab.sql(
        "SELECT units_sold FROM inventory_days WHERE sku = 'sparse' ORDER BY day"
    ).fetchall()
    assert rows == [(None,), (1,), (1,)]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("since", "2026-05-01", date(2026, 5, 1)),
        ("since", date(2026, 5, 1), date(2026, 5, 1)),
        ("since", datetime(2026, 5, 1), date(2026, 5, 1)),
        ("least", 3, 3),
    ],
)
def test_check_parameters_keeps_good_values(name, value, kept):
    """Dates as strings, dates, or midnight; integers as integers."""
    params = {"shop": "a", "since": "2026-01-01", "least": 0, name: value}
    assert check_parameters(parse_metric(SQL), params)[name] == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("since", "01.05.2026"),
        ("since", "2026-5-1"),
        ("since", "2026-02-30"),
        ("since", datetime(2026, 5, 1, 12)),
        ("since", 20260501),
        ("since", None),
        ("least", "3"),
        ("least", 3.0),
        ("least", True),
    ],
)
def test_check_parameters_refuses_other_types(name, value):
    """No implicit conversion of a number to a date, or of a string or float to an integer."""
    params = {"shop": "a", "since": "2026-01-01", "least": 0, name: value}
    with pytest.raises(InputError, match=f"parameter '{name}' must be of type"):
        check_parameters(parse_metric(SQL), params)


@pytest.mark.parametrize("least", [-1, 10])
def test_check_parameters_refuses_numbers_out_of_the_declared_range(least):
    """The range is in the parameter's line of the header; its limits are accepted."""
    metric = parse_metric(SQL.replace("SELECT", "-- $least: fewest units [0 to 9]\nSELECT", 1))
    params = {"shop": "a", "since": "2026-01-01"}
    with pytest.raises(InputError, match=rf"parameter 'least' is {least}\. Use 0 to 9\."):
        check_parameters(metric, params | {"least": least})
    assert check_parameters(metric, params | {"least": 9})["least"] == 9


def test_parameters_from_text_are_read_by_their_type():
    """`--set days=30` is an integer, `--set since=2026-05-01` a date; others are rejected."""
    metric = parse_metric(SQL)
    read = parameters_from_text(metric, {"shop": "007", "since": "2026-05-01", "least": "3"})
    assert check_parameters(metric, read) == {
        "shop": "007",
        "since": date(2026, 5, 1),
        "least": 3,
    }
    with pytest.raises(InputError, match=r"least='3\.5' is not a valid INTEGER"):
        parameters_from_text(metric, {"least": "3.5"})
    with pytest.raises(UnknownName, match="Did you mean 'least'"):
        parameters_from_text(metric, {"lest": "3"})


def test_evaluate_names_a_missing_and_an_unknown_parameter(tiny_lab):
    """Both are errors that list the parameters of the metric."""
    metric = load_metrics()["turnover"]
    with duckdb.connect() as con:
        with pytest.raises(InputError, match=r"missing .* days\. Required: shop, until"):
            evaluate(con, metric, {"shop": "harbor", "until": "2026-05-01"})
        with pytest.raises(UnknownName, match=r"'untill' for metric 'turnover'.*mean 'until'"):
            evaluate(con, metric, {"shop": "harbor", "untill": "2026-05-01"})


def test_dashboard_counts_by_hand(tiny_lab):
    """Uses, discounts, and revenue of 30 days and the previous 30, counted in Python."""
    lines = tiny_lab.sql(
        "SELECT day, type, discount_id, sku, customer_id, discount_amount, revenue "
        "FROM order_lines WHERE shop = 'harbor' AND discount_id IS NOT NULL"
    ).fetchall()
    found = tiny_lab.metric("discount_dashboard", until="2026-05-08", days=30).set_index("measure")
    for column, first, last in (
        ("value", date(2026, 4, 9), date(2026, 5, 8)),
        ("before", date(2026, 3, 10), date(2026, 4, 8)),
    ):
        inside = [line for line in lines if first <= line[0] <= last]
        uses = [line for line in inside if line[1] == "order"]
        assert found.loc["uses", column] == len(uses)
        assert found.loc["discounts", column] == len({line[2] for line in uses})
        assert found.loc["skus", column] == len({line[3] for line in uses})
        assert found.loc["customers", column] == len({line[4] for line in uses})
        assert found.loc["savings", column] == sum(line[5] for line in inside)
        assert found.loc["discounted_revenue", column] == sum(line[6] for line in inside)


def test_dashboard_has_no_before_where_history_is_short(tiny_lab):
    """97 days of data do not cover two periods of 60 days: before is NULL, not zero."""
    found = tiny_lab.metric("discount_dashboard", until="2026-05-08", days=60)
    assert found["before"].isna().all()
    assert (found["value"] > 0).all()


def test_trend_shows_days_without_discounts(tiny_lab):
    """Every day of the period has a row, with zeros for days without discounts."""
    trend = tiny_lab.metric("discount_trend", until="2026-05-08", days=30)
    assert len(trend) == 30
    assert (trend["uses"] == 0).any()
    dashboard = tiny_lab.metric("discount_dashboard", until="2026-05-08", days=30)
    totals = dashboard.set_index("measure")["value"]
    assert trend["uses"].sum() == totals["uses"]
    assert trend["savings"].sum() == pytest.approx(totals["savings"])


def test_package_ships_its_sql():
    """Views and metrics are inside the package, so that a wheel includes them."""
    assert FOLDER.is_relative_to(Path(parse_metric.__code__.co_filename).parent)
