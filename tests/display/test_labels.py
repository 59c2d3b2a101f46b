"""Labels: declared once, in metric headers or the data file, and used in tables and charts."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from d1lab import charts
from d1lab.display.labels import FILE, Label, parse_label
from d1lab.errors import InputError, UnknownName
from d1lab.lab import Lab
from d1lab.metrics import broken_metrics, load_metrics, shipped_labels
from d1lab.warehouse import open_warehouse

OWN = """\
-- returned_units: units that came back per SKU
-- unit: units      grain: sku      reads: order_lines
-- returned_units: Returned [units], integer, lower is better
SELECT sku, -sum(units) FILTER (WHERE units < 0) AS returned_units FROM order_lines GROUP BY sku
"""


@pytest.fixture
def own_lab(tiny_warehouse: Path, tmp_path: Path):
    """A lab of a project with its own metric."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "returned_units.sql").write_text(OWN)
    with open_warehouse(tiny_warehouse.parent) as con:
        yield Lab(con, database="demo", folder=tmp_path, metrics_folder=tmp_path / "metrics")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Revenue", Label("Revenue")),
        ("Revenue, money", Label("Revenue", kind="money")),
        ("Reorder [units], integer", Label("Reorder", "units", "integer")),
        ("Lift, high (95%), percent", Label("Lift, high (95%)", kind="percent")),
        ("Share, first-time, lower is better", Label("Share, first-time", better="lower")),
        ("Loss, A [per 10,000 visitors]", Label("Loss, A", "per 10,000 visitors")),
        ("Stock [$], money, higher is better", Label("Stock", "$", "money", "higher")),
    ],
)
def test_parse_label_reads_words_unit_kind_and_direction(text, label):
    """Everything except the label is optional, and a label can contain commas."""
    assert parse_label("name", text) == label


def test_parse_label_names_a_misspelled_kind():
    """An unknown kind is an error; otherwise it would be shown as part of the label."""
    with pytest.raises(UnknownName, match=r"'mony'.*label 'revenue'.*money"):
        parse_label("revenue", "Revenue, mony")
    with pytest.raises(InputError, match="label 'revenue' is empty"):
        parse_label("revenue", ", lower is better")


def test_every_label_is_declared_in_one_file():
    """A column of several metrics has a label in one of them, and not also in the data file."""
    files = [metric.labels for metric in load_metrics().values()]
    files += tomllib.loads(FILE.read_text(encoding="utf-8")).values()
    counts = Counter(name for labels in files for name in labels)
    assert [name for name, count in counts.items() if count > 1] == []
    assert counts.keys() == shipped_labels().keys()


def test_metrics_label_only_what_they_give(tiny_lab):
    """A label in a header is for a column of the metric, or a figure in one of its rows."""
    params = {"until": "2026-05-08", "days": 30, "shop": "harbor"}
    for metric in load_metrics().values():
        given = {p: params.get(p) for p in metric.parameters}
        relation = tiny_lab._con.sql(metric.sql, params=given or None)
        names = set(relation.columns)
        if "measure" in names:
            names |= {row[0] for row in relation.select("measure").fetchall()}
        assert set(metric.labels) <= names, metric.name


def test_what_no_metric_gives_is_in_the_data_file(tiny_lab):
    """A name in the data file is not a column of a metric, which has its label in the header."""
    sections = tomllib.loads(FILE.read_text(encoding="utf-8")).values()
    common = {name for labels in sections for name in labels}
    for metric in load_metrics().values():
        given = dict.fromkeys(metric.parameters)
        columns = tiny_lab._con.sql(metric.sql, params=given or None).columns
        assert not common & set(columns), metric.name


def test_a_projects_metric_brings_its_labels(own_lab):
    """One file has the metric and its labels for tables, figures, and charts."""
    frame = own_lab.metric("returned_units")
    [_, column] = own_lab.table(frame, title="Returned").columns
    assert (column.header, column.kind) == ("Returned (units)", "integer")
    [figure] = own_lab.figures(returned_units=2).figures
    assert (figure.label, figure.unit, figure.better) == ("Returned", "units", "lower")
    words = {"title": "Returned", "description": "Units that came back, by product."}
    drawn = own_lab.charts.bar(frame, "sku", "returned_units", **words).to_dict()
    assert "Returned (units)" in str(drawn)


def test_charts_without_a_lab_know_the_labels_that_ship():
    """`charts.line` with any frame labels revenue as on pages."""
    frame = pd.DataFrame({"day": pd.to_datetime(["2026-05-01", "2026-05-02"]), "savings": [1, 2]})
    chart = charts.line(frame, "day", "savings", title="Savings", description="By day.")
    assert "Discounts given" in str(chart.to_dict())


def test_one_name_has_one_label(tmp_path):
    """A project's metric can repeat a label, but not label the name differently."""
    path = tmp_path / "returned_units.sql"
    path.write_text(OWN.replace("-- returned_units: R", "-- revenue: Revenue, money\n-- x: R"))
    assert load_metrics(tmp_path)["returned_units"].labels["revenue"].kind == "money"
    path.write_text(OWN.replace("-- returned_units: R", "-- revenue: Income, money\n-- x: R"))
    reason = broken_metrics(tmp_path)["returned_units"]
    assert "'revenue' as 'Income', but metric 'shop_overview'" in reason
