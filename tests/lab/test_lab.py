"""The lab: its methods and errors."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import nbformat
import pandas as pd
import pytest

import d1lab
from d1lab.display import Figure
from d1lab.errors import InputError, StaleDataError, StopRun, UnknownName
from d1lab.lab import Lab, dictionary
from d1lab.lab import freshness as state
from d1lab.outbox import read_notes, read_outbox
from d1lab.warehouse import limit_of, open_warehouse


@pytest.fixture
def project(tiny_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with the tiny warehouse as its demo, without a token."""
    folder = tmp_path / "data" / "demo"
    folder.mkdir(parents=True)
    (folder / "warehouse.duckdb").symlink_to(tiny_warehouse)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_lab(tiny_warehouse: Path, tmp_path: Path):
    """A lab as opened by a run, with a run folder."""
    with open_warehouse(tiny_warehouse.parent) as con:
        yield Lab(con, database="demo", folder=tmp_path, shop="harbor", run_dir=tmp_path / "run")


def test_open_finds_the_warehouse_without_a_token(project):
    """d1lab.open() in a project opens the default database's warehouse."""
    lab = d1lab.open("demo", shop="kiosk")
    assert lab.shops == ["harbor", "kiosk"]
    assert lab.shop == "kiosk"
    assert lab.as_of() == date(2026, 5, 8)


def test_queries_keep_to_the_memory_of_the_setting(project, monkeypatch):
    """The limit is DuckDB's, and the metrics know it."""
    monkeypatch.setenv("D1LAB_MEMORY", "500MB")
    lab = d1lab.open("demo", shop="harbor")
    assert (limit_of(lab._con), lab.memory) == ("476.8 MiB", "500MB")
    assert len(lab.metric("shop_days"))
    assert limit_of(lab._con) == "476.8 MiB"


def test_open_says_which_command_makes_a_warehouse(project):
    """Before the first pull, there is no warehouse, and the error has the command."""
    (project / "data" / "demo" / "warehouse.duckdb").unlink()
    with pytest.raises(StaleDataError, match="d1lab pull"):
        d1lab.open()
    with pytest.raises(UnknownName, match=r"There is no database 'demoo'.*mean 'demo'"):
        d1lab.open("demoo")


def test_open_takes_a_projects_metrics(project):
    """A .sql file in the project's folder metrics/ is a metric."""
    (project / "metrics").mkdir()
    (project / "metrics" / "lines.sql").write_text(
        "-- lines: order lines\n-- unit: lines    grain: shop    reads: order_lines\n"
        "SELECT shop, count(*) AS lines FROM order_lines GROUP BY shop ORDER BY shop"
    )
    assert d1lab.open().metric("lines").values.tolist() == [["harbor", 292], ["kiosk", 5]]


def test_public_names_are_loaded_when_used():
    """Importing d1lab loads no large package; public names are available on access."""
    code = (
        "import sys, d1lab; assert not {'duckdb', 'pandas', 'altair'} & set(sys.modules);"
        "[getattr(d1lab, name) for name in d1lab.__all__]; assert dir(d1lab) == d1lab.__all__"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        d1lab.opne  # noqa: B018


def test_tables_complete(tiny_lab):
    """Tab after `lab.tables.` shows views and schemas; a listing starts with the views."""
    assert {"ab_tests", "order_lines", "d1lab", "raw"} <= set(dir(tiny_lab.tables))
    assert not any("." in name for name in dir(tiny_lab.tables))
    assert "order_events" in dir(tiny_lab.tables.raw)
    assert "order_lines" not in dir(tiny_lab.tables.raw)
    assert next(iter(tiny_lab.tables)) == "ab_test_arms"
    assert list(tiny_lab.tables)[-1] == "raw.product_performance"
    assert hasattr(tiny_lab.tables, "products")
    assert not hasattr(tiny_lab.tables, "no_such_table_here")


def test_table_shows_itself(tiny_lab):
    """Columns, rows, the first rows as a frame, and all of them."""
    table = tiny_lab.tables.products
    assert table.columns[:3] == ["shop", "sku", "product_title"]
    assert table.rows == 3
    assert len(table.df()) == 3
    assert len(table.df(2)) == 2
    assert tiny_lab.tables["raw.order_events"].rows == tiny_lab.tables.raw.order_events.rows == 297
    with pytest.raises(InputError, match="limit=-1"):
        table.df(-1)
    with pytest.raises(UnknownName, match="Did you mean 'products'"):
        tiny_lab.tables.prodcts  # noqa: B018


def test_table_html_is_inert(tiny_lab):
    """A script in a product title is shown, not run."""
    html = tiny_lab.tables.products._repr_html_()
    assert html.count("<script>") == 1  # the one that sorts and searches
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in html


def test_sql_binds_values(tiny_lab):
    """Values are bound; the relation converts to pandas, polars, and Arrow, and takes SQL."""
    relation = tiny_lab.sql("FROM products WHERE sku = $sku", sku="evil' OR true --")
    assert len(relation.df()) == 0
    relation = tiny_lab.sql("FROM products WHERE sku = $sku", sku="evil")
    assert relation.df()["sku"].tolist() == relation.pl()["sku"].to_list() == ["evil"]
    assert relation.filter("units_sold_regular > 20").to_arrow_table().num_rows == 1


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("FROM order_line", "There is no table 'order_line'.*mean 'order_lines'"),
        ("FROM raw.order_evnts", "There is no table 'raw.order_evnts'.*mean 'raw.order_events'"),
        ("FROM nowhere.order_lines", "There is no table 'nowhere.order_lines'"),
        ("SELECT dya FROM order_lines", "There is no column 'dya' for order_lines.*mean 'day'"),
        ("SELECT l.dya FROM order_lines AS l", "There is no column 'dya'.*mean 'day'"),
        ("SELECT 1 FROM products JOIN customers USING (skuu)", "There is no column 'skuu'.*'sku'"),
        ("SELECT day FROM order_lines WHERE sku = $sku", r"missing values for \$sku"),
        ("SELECT sku, count(*) FROM products", "must appear in the GROUP BY"),
        ("SELEC sku FROM products", "syntax error"),
        ("COPY products TO 'stolen.csv'", "only a single SELECT is allowed, not COPY"),
        ("SELECT 1; SELECT 2", "only a single SELECT is allowed, not SELECT, SELECT"),
        ("SET memory_limit = '1GB'", "only a single SELECT is allowed, not SET"),
        ("", "only a single SELECT is allowed, not nothing"),
    ],
)
def test_sql_errors_name_what_is_nearest(tiny_lab, sql, said):
    """Errors have the name, existing names, and a suggestion; only reading is allowed."""
    with pytest.raises(InputError, match=f"(?s){said}"):
        tiny_lab.sql(sql)


def test_sql_refuses_a_parameter_that_it_does_not_take(tiny_lab):
    """A value with an unknown name is an error."""
    with pytest.raises(UnknownName, match=r"There is no parameter 'skuu' for this SQL"):
        tiny_lab.sql("FROM products WHERE sku = $sku", skuu="evil")


def test_metric_fills_in_the_shop(tiny_lab):
    """The default shop, unless another one is given."""
    period = {"until": "2026-05-08", "days": 8}
    assert set(tiny_lab.metric("turnover", **period)["shop"]) == {"harbor"}
    assert tiny_lab.metric("turnover", shop="kiosk", **period).empty


def test_metric_errors(tiny_lab):
    """An unknown metric, shop, or parameter, and a value of an invalid type."""
    with pytest.raises(UnknownName, match=r"There is no metric 'turnver'.*mean 'turnover'"):
        tiny_lab.metric("turnver")
    with pytest.raises(UnknownName, match=r"There is no shop 'harbr'.*mean 'harbor'"):
        tiny_lab.metric("turnover", shop="harbr", until="2026-05-08", days=8)
    with pytest.raises(UnknownName, match=r"There is no parameter 'untill'.*mean 'until'"):
        tiny_lab.metric("turnover", untill="2026-05-01", days=8)
    with pytest.raises(InputError, match="'until' must be of type DATE, not 'soon'"):
        tiny_lab.metric("turnover", until="soon", days=8)


def test_metric_on_an_older_warehouse_says_to_pull(tmp_path, tiny_warehouse):
    """A view of a newer d1lab is missing in an old warehouse."""
    path = tmp_path / "old.duckdb"
    path.write_bytes(tiny_warehouse.read_bytes())
    with duckdb.connect(path) as con:
        con.execute("DROP VIEW product_costs; DROP VIEW d1lab.product_costs")
        lab = Lab(con, database="demo", folder=tmp_path, shop="harbor")
        with pytest.raises(InputError, match=r"turnover.*'product_costs'.*run `d1lab pull`"):
            lab.metric("turnover", until="2026-05-08", days=8)


def test_the_present_time_is_in_utc_without_a_zone(tiny_lab):
    """`SELECT now()` needs no further package, and compares with the warehouse's times."""
    sql = "SELECT now() AS at, now() - max(occurred_at) > INTERVAL 1 SECOND AS later, 1 FROM $t"
    [(at, later, one)] = tiny_lab.sql(sql.replace("$t", "order_lines")).fetchall()
    assert (at.tzinfo, later, one) == (None, True, 1)
    assert abs(datetime.now(UTC).replace(tzinfo=None) - at) < timedelta(minutes=5)


def test_metrics_lists_every_metric(tiny_lab):
    """Name, description, unit, grain, views read, and parameters."""
    listed = tiny_lab.metrics().set_index("metric")
    assert listed.loc["turnover", "parameters"] == "shop, until, days"
    assert listed.loc["turnover", "reads"] == (
        "inventory_days, products, order_lines, product_costs"
    )
    assert listed["sentence"].str.len().gt(10).all()


def test_describe_tables(tiny_lab):
    """Each table with rows, age, key, columns, and NULLs."""
    tables = tiny_lab.describe().set_index("table")
    lines = tables.loc["order_lines"]
    assert lines["rows"] == 297
    assert (lines["d1_table"], lines["key"]) == ("order_events", "shop, event_id")
    assert lines["columns"].startswith("shop, event_id, order_id")
    assert "discount_id 75%" in lines["null_shares"]
    assert "customer_id" not in lines["null_shares"]
    age = datetime.now(UTC) - datetime(2026, 5, 9, 6, tzinfo=UTC)
    assert lines["age_hours"] == pytest.approx(age.total_seconds() / 3600, abs=2)
    assert tables.loc["ab_test_days", "key"] == "test_id, day, variant"
    assert not any(name.startswith("d1lab.") for name in tables.index)


@pytest.mark.parametrize(
    ("share", "shown"), [(0.004, "<1%"), (0.12, "12%"), (0.9999, ">99%"), (1.0, "100%")]
)
def test_describe_rounds_no_share_away(share, shown):
    """A few NULLs are not shown as 0%, and a few values not as 100% NULL."""
    assert dictionary.percent(share) == shown


def test_describe_one_table(tiny_lab):
    """Each column with type, owner in D1, NULLs, distinct values, and range."""
    columns = tiny_lab.describe("inventory_days").set_index("column")
    assert columns.loc["turnover_rate", "owner"] == "analysis"
    assert columns.loc["units_sold_with_discount", "owner"] == "app"
    assert columns.loc["turnover_rate", "null_share"] == 1
    assert columns.loc["day", "greatest"] == "2026-05-08"
    with pytest.raises(UnknownName, match="mean 'inventory_days'"):
        tiny_lab.describe("inventory_day")


def test_as_of_is_the_last_day_unless_given(tiny_lab):
    """The last day of the shop's data; a given day is validated."""
    assert tiny_lab.as_of("kiosk") == date(2026, 5, 8)
    assert tiny_lab.as_of(as_of="2026-03-01") == date(2026, 3, 1)
    for day in ("2026-01-31", "2026-05-09"):  # before the first, and still to come
        with pytest.raises(InputError, match=r"outside .* \(2026-02-01 to 2026-05-08\)"):
            tiny_lab.as_of(as_of=day)
    with pytest.raises(InputError, match="YYYY-MM-DD"):
        tiny_lab.as_of(as_of="last Monday")


def test_shops_without_events_are_shops(tmp_path, tiny_warehouse):
    """With only the tables of the guide, the shops are still known."""
    path = tmp_path / "app.duckdb"
    path.write_bytes(tiny_warehouse.read_bytes())
    with duckdb.connect(path) as con:
        con.execute("DELETE FROM raw.order_events; DELETE FROM raw.inventory_impact")
        lab = Lab(con, database="app", folder=tmp_path)
        assert lab.shops == ["harbor"]
        assert lab.as_of() == date(2026, 5, 8)  # a customer's last purchase


def test_shop_must_be_said_where_there_are_several(tiny_lab):
    """One of several shops is never chosen silently; a single one is the default."""
    lab = Lab(tiny_lab._con, database="demo", folder=tiny_lab.folder)
    with pytest.raises(
        InputError, match=r"several shops in this database. Pass shop=..., one of: harbor, kiosk"
    ):
        lab.as_of()
    with pytest.raises(UnknownName, match="There is no shop 'habor'"):
        Lab(tiny_lab._con, database="demo", folder=tiny_lab.folder, shop="habor")


def test_freshness_tells_age_and_staleness(tiny_lab, monkeypatch):
    """Data is stale 36 hours after the last pull."""

    class Clock(datetime):
        hours = 35

        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 5, 9, 6, 0, 5, tzinfo=UTC) + timedelta(hours=cls.hours)

    monkeypatch.setattr(state, "datetime", Clock)
    fresh = tiny_lab.freshness()
    assert fresh.pulled_at == datetime(2026, 5, 9, 6, 0, 5, tzinfo=UTC)
    assert (fresh.age_hours, fresh.stale, fresh.data_as_of) == (35, False, date(2026, 5, 8))
    Clock.hours = 37
    assert tiny_lab.freshness().stale


def test_simulated_views_are_known_by_shop(tiny_lab):
    """Rows marked as simulated are reported; days of a test belong to their test."""
    assert tiny_lab.simulated() == ("ab_test_days", "ab_tests", "inventory_days")
    assert tiny_lab.simulated("kiosk") == ()


def test_quarantined_counts_values_by_reason(tiny_lab):
    """Values that a pull could not convert are counted."""
    assert tiny_lab.quarantined.to_dict("records") == [
        {"table": "order_events", "column": "quantity", "reason": "not an integer", "rows": 1}
    ]


def test_reads_are_noted_in_a_run(run_lab, tmp_path):
    """The page of a run lists the data read by metrics, SQL, and tables."""
    run_lab.metric("turnover", until="2026-05-08", days=8)
    run_lab.sql("SELECT 1 FROM order_lines JOIN products USING (sku) WHERE sku = $sku", sku="x")
    run_lab.tables.customers.df(1)
    metric, sql, table = read_notes(tmp_path / "run")
    assert metric == {
        "metric": "turnover",
        "reads": ["inventory_days", "order_lines", "product_costs", "products"],
        "params": {"shop": "harbor", "until": "2026-05-08", "days": 8},
        "since": "2026-02-01",  # the first day of the shop's data
    }
    assert (sql["metric"], sql["reads"]) == (None, ["order_lines", "products"])
    assert sql["params"] == {"sku": "x"}
    assert table["reads"] == ["customers"]


def test_reading_interactively_writes_nothing(tiny_lab, tmp_path):
    """Reading interactively writes nothing."""
    tiny_lab.metric("shop_overview")
    tiny_lab.sql("FROM products").df()
    assert list(tmp_path.iterdir()) == []


def test_stage_in_a_run_and_in_hand(run_lab, tiny_lab, tmp_path):
    """A run stages in its folder and rejects contradictions; interactively, cells can rerun."""
    frame = tiny_lab.sql(
        "SELECT shop, sku, day AS date, 1.5 AS turnover_rate FROM inventory_days "
        "WHERE sku = 'worked' AND day > DATE '2026-05-01'"
    )
    assert run_lab.stage(frame, table="inventory_impact") == 6
    with pytest.raises(InputError, match="already staged"):
        run_lab.stage(frame.df().assign(turnover_rate=2.0), table="inventory_impact")
    assert tiny_lab.stage(frame, table="inventory_impact") == 6
    tiny_lab.stage(frame.df().assign(turnover_rate=2.0), table="inventory_impact")
    assert tiny_lab.run_dir.parent == tmp_path / "runs"
    assert tiny_lab.run_dir.name.endswith("-interactive")
    staged = read_outbox(tiny_lab.run_dir)["inventory_impact"]
    assert set(staged["turnover_rate"].to_pylist()) == {2.0}
    assert set(read_outbox(tmp_path / "run")["inventory_impact"]["turnover_rate"].to_pylist()) == {
        1.5
    }


def test_labels_give_words_to_names(tiny_lab):
    """A known name has label, unit, and kind; those in the notebook take precedence."""
    known, given, unknown = tiny_lab.figures(
        {"metric": "uses", "value": 3.0, "label": "Uses"}, savings=41.0, net_units=5
    ).figures
    assert (known.label, known.kind) == ("Uses", "integer")
    assert (given.metric, unknown.metric) == ("savings", "net_units")
    assert (given.label, given.kind) == ("Discounts given", "money")
    assert unknown.label == "Net units"
    frame = tiny_lab.sql("SELECT 'a' AS sku, 3.5 AS days_of_supply, 0.25 AS depth")
    table = tiny_lab.table(
        frame, title="Cover", columns="depth days_of_supply", labels={"depth": "Share"}
    )
    assert [(c.label, c.unit, c.kind) for c in table.columns] == [
        ("Share", "", "percent"),
        ("Days of supply", "", "number"),
    ]
    with pytest.raises(UnknownName, match="Did you mean 'depth'"):
        tiny_lab.table(frame, title="Cover", columns="depht")


def test_showing_is_checked(tiny_lab):
    """Verdict, figures, table, and note are validated display objects."""
    assert tiny_lab.verdict("All is well.", "good").status == "good"
    assert tiny_lab.table(tiny_lab.sql("FROM products"), title="Products").total_rows == 3
    assert tiny_lab.note("Simulated.", "warning").tone == "warning"
    with pytest.raises(UnknownName):
        tiny_lab.verdict("?", "splendid")
    with pytest.raises(StopRun, match="no data"):
        tiny_lab.stop("no data")


@pytest.fixture
def two_labs(project, tiny_warehouse):
    """Labs on two databases with shops in euros and in yen."""
    (project / "data" / "far").mkdir()
    (project / "data" / "far" / "warehouse.duckdb").symlink_to(tiny_warehouse)
    urls = {"demo": ("near", "EUR"), "far": ("far", "JPY")}
    (project / "d1lab.toml").write_text(
        "".join(
            f'[databases.{name}]\nurl = "sqlite:{file}.sqlite"\ncurrency = "{code}"\n'
            for name, (file, code) in urls.items()
        )
    )
    return d1lab.open("demo", shop="harbor"), d1lab.open("far", shop="harbor")


def test_each_lab_keeps_its_currency(two_labs):
    """Two labs in one process keep their currencies in figures, tables, charts, and text."""
    assert [lab.currency for lab in two_labs] == ["EUR", "JPY"]
    frame = pd.DataFrame({"sku": ["a", "b"], "revenue": [12.5, 25.0]})
    words = {"title": "Revenue", "description": "By product."}
    for lab, unit, amount, sign in zip(
        two_labs, ("EUR", "JPY"), ("€12.50", "¥12"), "€¥", strict=True
    ):
        [figure] = lab.figures(savings=12.5).figures
        given = lab.figures(Figure.of("x", 12.5, kind="money"), {"metric": "y", "value": 1})
        _, column = lab.table(frame, title="Revenue").columns
        drawn = lab.charts.bar(frame, "sku", "revenue", **words).to_dict()
        assert (figure.unit, figure.shown(), lab.money(12.5)) == (unit, amount, amount)
        assert [each.unit for each in given.figures] == [unit, ""]
        assert (column.unit, column.shown(12.5)) == (unit, amount)
        assert drawn["config"]["locale"]["number"]["currency"] == [sign, ""]


def test_a_lab_has_the_currency_of_its_shop(project):
    """Shops of one database can have different currencies; for all shops there is none."""
    (project / "d1lab.toml").write_text(
        '[databases.demo]\nurl = "sqlite:x"\ncurrency = {harbor = "CHF", kiosk = "USD"}\n'
    )
    opened = [d1lab.open(shop=shop) for shop in ("harbor", "kiosk", None)]
    assert [lab.currency for lab in opened] == ["CHF", "USD", ""]


def test_magic_runs_sql_in_a_cell(project):
    """%%d1 binds the notebook's variables, shows the frame, and assigns it to a name.

    The lab also prepares Altair's charts.
    """
    code = """
import d1lab
from IPython.core.interactiveshell import InteractiveShell
from IPython.testing.globalipapp import start_ipython
shell = start_ipython()
lab = d1lab.open(shop="harbor")
charts = shell.display_formatter.mimebundle_formatter.deferred_printers
assert ("altair.vegalite.v6.api", "TopLevelMixin") in charts
shell.user_ns["wanted"] = "evil"
shown = shell.run_cell_magic("d1", "", "SELECT sku FROM products WHERE sku = $wanted")
assert shown.fetchall() == [("evil",)], shown
shell.run_cell_magic("d1", "kept", "SELECT count(*) AS n FROM products")
assert shell.user_ns["kept"]["n"].tolist() == [3]
near, far = d1lab.open(shop="harbor"), d1lab.open(shop="kiosk")
shell.user_ns["near"] = near
shell.run_cell_magic("d1", "", "SELECT 1")
shell.user_ns["far"] = far
far.query = lambda sql, params, names: near.sql("SELECT 'far' AS asked")
assert shell.run_cell_magic("d1", "from far", "SELECT 1").fetchall() == [("far",)]
shell.run_cell_magic("d1", "both from far", "SELECT 1")
assert shell.user_ns["both"]["asked"].to_list() == ["far"]
try:
    shell.run_cell_magic("d1", "", "SELECT 1")
except d1lab.D1labError as error:
    assert "from far or from near" in str(error), error
else:
    raise AssertionError("several labs")
shell.user_ns["lab"] = near
assert "1" in str(shell.run_cell_magic("d1", "", "SELECT 1").columns[0])
for line, cell, said in (
    ("two names", "SELECT 1", "invalid"),
    ("from nowhere", "SELECT 1", "There is no lab 'nowhere'"),
    ("", "SELECT * FROM product", "mean 'products'"),
    ("", "SELECT $unbound", "missing values for $unbound"),
):
    try:
        shell.run_cell_magic("d1", line, cell)
    except d1lab.D1labError as error:
        assert said in str(error), error
    else:
        raise AssertionError(said)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=project
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_lab_opens_in_a_plain_kernel(project):
    """In a kernel as started by JupyterLab, without widgets, where DuckDB rejects settings."""
    cells = [
        "import d1lab; lab = d1lab.open(shop='harbor')",
        "%%d1 n\nSELECT count(*) AS n FROM products",
        "assert n.n[0] == lab.tables.products.rows",
    ]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    nbformat.write(notebook, "plain.ipynb")
    ended = subprocess.run(
        [sys.executable, "-c", "from nbclient.cli import main; main()", "plain.ipynb"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
