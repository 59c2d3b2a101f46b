"""Figures on the pages of the demo, recomputed from D1's raw rows by SQL of the test's own.

One quantity has one value: on the page, in results.json, in CSV files, on the overview, and on the
index.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest

from d1lab.display import Figure
from d1lab.display.ab_test_list import AbTestList
from d1lab.display.actions import load_actions
from d1lab.packed_files import read_packed
from d1lab.pages.index import SHOWN
from tests.support.contradictions import contradictions

ZONE, UNTIL = ZoneInfo("America/New_York"), date(2017, 12, 31)


class Runs:
    """The demo's D1 and the runs of the reports of its shop."""

    def __init__(self, folder: Path, con: sqlite3.Connection) -> None:
        self.folder, self.con = folder, con
        records = {path.parent: json.loads(path.read_bytes()) for path in self._records()}
        found = {each["report"]: at for at, each in records.items() if each["shop"] == "harbor"}
        self.dirs: dict[str, Path] = dict(sorted(found.items()))

    def _records(self) -> Iterator[Path]:
        return iter(sorted((self.folder / "data" / "demo" / "runs").glob("*/run.json")))

    def figures(self, report: str) -> dict[str, float | None]:
        """Key figures by metric; those of one thing by `metric thing`."""
        records = json.loads((self.dirs[report] / "results.json").read_bytes())
        return {f"{r['metric']} {r['dimension']}".strip(): r["value"] for r in records}

    def tables(self, report: str) -> dict[str, list[dict[str, Any]]]:
        """The tables of a page by name, as rows."""
        notebook = json.loads(read_packed(self.dirs[report] / "notebook.ipynb"))
        found: dict[str, list[dict[str, Any]]] = {}
        for cell in notebook["cells"]:
            for output in cell.get("outputs", ()):
                table = output.get("data", {}).get("application/vnd.d1lab.table.v1+json")
                if table:
                    names = [column["name"] for column in table["columns"]]
                    rows = [dict(zip(names, row, strict=True)) for row in table["rows"]]
                    found[table["name"]] = rows
        return found

    def page(self, report: str) -> str:
        return (self.folder / f"reports/demo/harbor/{report}/latest.html").read_text()

    def one(self, sql: str, *values: Any) -> Any:
        return self.rows(sql, *values)[0][0]

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.con.execute(sql, values).fetchall()


def _local_day(text: str) -> str:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone(ZONE).date().isoformat()


LINES = """
CREATE TEMP TABLE lines AS
SELECT *, local_day(occurred_at) AS day, CASE type WHEN 'refund' THEN -1 ELSE 1 END AS sign
FROM order_events WHERE shop = 'harbor'
"""

COSTED = """
CREATE TEMP TABLE costed AS
SELECT lines.*, sign * quantity * (
    SELECT unit_cost FROM product_costs AS c
    WHERE c.shop = 'harbor' AND c.sku = lines.sku AND valid_from <= day
    ORDER BY valid_from DESC LIMIT 1) AS cost
FROM lines
"""


@pytest.fixture(scope="module")
def runs(demo_project: Path) -> Iterator[Runs]:
    with closing(sqlite3.connect(demo_project / "data" / "demo" / "d1.sqlite")) as con:
        con.create_function("local_day", 1, _local_day, deterministic=True)
        con.execute(LINES)
        con.execute(COSTED)
        yield Runs(demo_project, con)


def _span(length: int, back: int = 0) -> tuple[str, str]:
    last = UNTIL - timedelta(days=length * back)
    return (last - timedelta(days=length - 1)).isoformat(), last.isoformat()


def _period(runs: Runs, length: int, back: int) -> dict[str, float | None]:
    """A period's figures from the raw lines."""
    span = _span(length, back)
    revenue, given = runs.rows(
        "SELECT sum(sign * revenue), sum(sign * discount_amount) FROM lines"
        " WHERE day BETWEEN ? AND ?",
        *span,
    )[0]
    orders, customers = runs.rows(
        "SELECT count(DISTINCT order_id), count(DISTINCT customer_id) FROM lines"
        " WHERE type = 'order' AND day BETWEEN ? AND ?",
        *span,
    )[0]
    profit, costed = runs.rows(
        "SELECT sum(sign * revenue - cost), sum(sign * revenue) FROM costed"
        " WHERE cost IS NOT NULL AND day BETWEEN ? AND ?",
        *span,
    )[0]
    return {
        "Revenue": revenue,
        "Orders": orders,
        "Order value": revenue / orders,
        "Gross margin": profit / costed if costed else None,
        "Given away": given / (revenue + given),
        "Customers": customers,
    }


def _number(text: str) -> float | None:
    digits = re.sub(r"[$,%]", "", text).replace("−", "-")
    return None if digits == "–" else float(digits) / (100 if "%" in text else 1)


def _overview(runs: Runs) -> Iterator[tuple[str, Any, Any]]:
    week = _period(runs, 7, 0)
    names = ["revenue", "orders", "order_value", "gross_margin_rate", "given_share", "customers"]
    for name, (label, value) in zip(names, week.items(), strict=True):
        yield f"overview {label}", runs.figures("overview")[name], value
    for length in (7, 28, 91):
        shown = {r["figure"]: r for r in runs.tables("overview")[f"last-{length}-days"]}
        for column, back in (("this_period", 0), ("period_before", 1)):
            for label, value in _period(runs, length, back).items():
                yield f"overview {length} {column} {label}", shown[label][column], value


def _discounts(runs: Runs) -> Iterator[tuple[str, Any, Any]]:
    where = "discount_id IS NOT NULL AND day BETWEEN ? AND ?"
    used = f"{where} AND type = 'order'"
    counts = runs.rows(
        "SELECT count(DISTINCT discount_id), count(*), count(DISTINCT sku),"
        f" count(DISTINCT customer_id) FROM lines WHERE {used}",
        *_span(30),
    )[0]
    sums = runs.rows(
        f"SELECT sum(sign * discount_amount), sum(sign * revenue) FROM lines WHERE {where}",
        *_span(30),
    )[0]
    figures = runs.figures("discounts")
    for name, value in zip(("discounts", "uses", "skus", "customers"), counts, strict=True):
        yield f"discounts {name}", figures[name], value
    for name, value in zip(("savings", "discounted_revenue"), sums, strict=True):
        yield f"discounts {name}", figures[name], value
    by_discount = {
        row[0]: row[1:]
        for row in runs.rows(
            "SELECT discount_id, sum(type = 'order'), sum(sign * discount_amount),"
            f" sum(sign * revenue) FROM lines WHERE {where} GROUP BY 1",
            *_span(30),
        )
    }
    for row in runs.tables("discounts")["cost-by-discount"]:
        names = ("uses", "savings", "revenue_after")
        for name, value in zip(names, by_discount[row["name"]], strict=True):
            yield f"discounts {row['name']} {name}", row[name], value
    stacked = runs.rows(
        "SELECT count(DISTINCT discount_id) FROM lines WHERE type = 'order' AND day BETWEEN ? AND ?"
        " AND discount_id IS NOT NULL GROUP BY order_id",
        *_span(30),
    )
    several = sum(count > 1 for (count,) in stacked) / len(stacked)
    yield "discounts stacked_share", figures["stacked_share"], several


def _products(runs: Runs) -> Iterator[tuple[str, Any, Any]]:
    rows = runs.rows(
        "SELECT sku, sum(sign * quantity), sum(sign * quantity * (discount_id IS NOT NULL)),"
        " sum(sign * revenue), sum(sign * discount_amount) FROM lines WHERE day BETWEEN ? AND ?"
        " GROUP BY sku",
        *_span(90),
    )
    figures = runs.figures("products")
    often = [row for row in rows if row[1] >= 10]
    yield "products savings", figures["savings"], sum(row[4] for row in rows)
    alone = sum(row[2] / row[1] <= 0.2 for row in often)
    yield "products products_alone", figures["products_alone"], alone
    dependent = sum(row[2] / row[1] >= 0.8 for row in often)
    yield "products products_dependent", figures["products_dependent"], dependent


def _inventory(runs: Runs) -> Iterator[tuple[str, Any, Any]]:
    rows = runs.rows(
        "SELECT sku, sum(units), sum(start > 0 OR units > 0), sum(ending <= 0), max(start > 0 OR"
        " ending > 0), count(*), max(CASE place WHEN 1 THEN ending END) FROM ("
        "   SELECT sku, starting_inventory AS start, ending_inventory AS ending,"
        "     units_sold_with_discount + units_sold_regular_price AS units,"
        "     row_number() OVER (PARTITION BY sku ORDER BY date DESC) AS place"
        "   FROM inventory_impact WHERE shop = 'harbor' AND date BETWEEN ? AND ?) GROUP BY sku",
        *_span(90),
    )
    sold = [row for row in rows if row[1] > 0 and row[4] and row[5] >= 63]
    left = {row[0]: max(row[6], 0) / (row[1] / row[2]) for row in sold}
    figures = runs.figures("inventory")
    yield "inventory products_short", figures["products_short"], sum(d < 14 for d in left.values())
    yield "inventory median_cover", figures["median_cover"], median(left.values())
    lost = sum(row[1] / row[2] * row[3] for row in sold)
    yield "inventory lost_units", figures["lost_units"], lost


def _customers(runs: Runs) -> Iterator[tuple[str, Any, Any]]:
    figures = runs.figures("customers")
    bought = runs.rows(
        "SELECT customer_id, count(DISTINCT order_id) FROM lines"
        " WHERE type = 'order' AND customer_id IS NOT NULL GROUP BY 1"
    )
    yield "customers customers", figures["customers"], len(bought)


def _prices(runs: Runs) -> Iterator[tuple[str, Any, Any]]:
    own = dict(
        runs.rows(
            "SELECT sku, list_price FROM (SELECT *, row_number() OVER (PARTITION BY sku"
            " ORDER BY occurred_at DESC, event_id DESC) AS place FROM lines"
            " WHERE type = 'order' AND list_price > 0 AND day BETWEEN ? AND ?) WHERE place = 1",
            *_span(90),
        )
    )
    paid = dict(
        runs.rows(
            "SELECT sku, 1.0 * sum(revenue) / sum(quantity) FROM lines WHERE type = 'order'"
            " AND list_price > 0 AND day BETWEEN ? AND ? GROUP BY sku",
            *_span(28),
        )
    )
    asked: dict[str, list[float]] = {}
    for sku, price, in_stock, at in runs.rows(
        "SELECT sku, price, in_stock, observed_at FROM (SELECT *, row_number() OVER"
        " (PARTITION BY sku, competitor ORDER BY observed_at DESC) AS place"
        " FROM competitor_prices WHERE shop = 'harbor' AND local_day(observed_at) <= ?)"
        " WHERE place = 1 AND currency = 'USD'",
        UNTIL.isoformat(),
    ):
        recent = _local_day(at) >= (UNTIL - timedelta(days=14)).isoformat()
        if sku in paid and recent and in_stock != 0 and own[sku] / 3 <= price <= own[sku] * 3:
            asked.setdefault(sku, []).append(price)
    index = [paid[sku] / median(prices) for sku, prices in asked.items()]
    figures = runs.figures("competitor_prices")
    yield "prices price_index", figures["price_index"], median(index) if index else None


def _tests(runs: Runs) -> Iterator[tuple[str, Any, Any]]:
    for figure, shown in runs.figures("ab_tests").items():
        metric, _, name = figure.removeprefix("lift_of_").partition(" ")
        rows = runs.rows(
            f"SELECT variant, 1.0 * sum(d.{metric}) / sum(d.visitors) FROM ab_test_daily AS d"
            " JOIN ab_test_results USING (test_id) WHERE test_name = ? AND day <= ?"
            " GROUP BY 1 ORDER BY 1",
            name,
            UNTIL.isoformat(),
        )
        if len(rows) == 2 and None not in (rows[0][1], rows[1][1]):
            yield f"tests {figure}", shown, rows[1][1] / rows[0][1] - 1


ALL = (_overview, _discounts, _products, _inventory, _customers, _prices, _tests)


def test_figures_of_all_pages_are_those_of_the_raw_rows(runs):
    """At least 60 figures, each from D1 itself."""
    checked = [check for checks in ALL for check in checks(runs)]
    wrong = [(name, shown, value) for name, shown, value in checked if not _same(shown, value)]
    assert wrong == []
    assert len(checked) >= 60
    assert {name.split()[0] for name, *_ in checked} >= {
        "overview", "discounts", "products", "inventory", "customers", "prices",
    }  # fmt: skip


def _same(shown: Any, value: float | None) -> bool:
    if not isinstance(shown, str):
        return shown == pytest.approx(value, rel=1e-9, abs=1e-9) if value is not None else not shown
    number = _number(shown)
    if number is None or value is None:
        return number is None and value is None
    rounding = 0.0005 if "%" in shown else 0.005 if "." in shown else 0.5
    return abs(number - value) <= rounding + 1e-9


def test_a_quantity_has_one_value_on_all_pages_the_index_and_the_csv_files(runs):
    """The key figures of each report are on its page and on the index as in results.json."""
    index = (runs.folder / "reports" / "index.html").read_text()
    overview = runs.page("overview")
    for report in runs.dirs:
        records = json.loads((runs.dirs[report] / "results.json").read_bytes())
        meta = next((runs.folder / f"reports/demo/harbor/{report}").glob("20*.json"))
        kept = json.loads(meta.read_bytes())["figures"]
        assert kept == records[: len(kept)], report
        for record in kept[:SHOWN]:
            shown = _escaped(Figure.from_json(record).shown())
            assert shown in runs.page(report)
            assert shown in index, f"{record['metric']} of {report} is not on the index"
    for report, run_dir in runs.dirs.items():
        for action in load_actions(run_dir):
            page = runs.page(report)
            assert f'id="{action.anchor}"' in page
            for told in (action.amount_text, action.sentence):
                assert _escaped(told) in page
                assert _escaped(told) in overview, f"{told} of {report} is not on the overview"
            if action.csv:
                _check_csv(runs, report, action)
    first = load_actions(runs.dirs["overview"])[0]
    assert _escaped(first.amount_text) in index
    assert _escaped(first.sentence) in index


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("'", "&#39;").replace('"', "&#34;")


def _check_csv(runs: Runs, report: str, action: Any) -> None:
    """The file of an action has its items, and their amounts add up to that of the action."""
    folder = runs.dirs[action.report or report]
    text = read_packed(folder / action.csv).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [next(iter(row.values())) for row in rows] == list(action.items)
    amounts = [float(row["amount"]) for row in rows if row.get("amount")]
    if amounts:
        assert sum(amounts) == pytest.approx(action.amount)


def test_counts_in_words_agree_with_the_lists(runs):
    """Run-outs, and the count of the action to order them, are those of the figures."""
    by_key = {a.key: a for report in runs.dirs for a in load_actions(runs.dirs[report])}
    short = runs.figures("inventory")["products_short"]
    assert len(by_key["order"].items) == short == len(by_key["inventory-order"].items)
    lifts = runs.figures("inventory")["discount_lift"], runs.figures("discounts")["observed_lift"]
    assert lifts[0] == lifts[1]
    lapsing = runs.figures("customers")["lapsing_customers"]
    assert len(by_key["win-back"].items) == lapsing


def test_every_link_leads_to_a_file_and_a_place_on_it(runs):
    """From actions to their evidence, from the overview to the reports, to all CSV files."""
    texts = {page: page.read_text() for page in (runs.folder / "reports").rglob("*.html")}
    astray = [
        (page.name, link)
        for page, text in texts.items()
        for link in re.findall(r'href="([^"]+)"', text.partition("<script>")[0])
        if not link.startswith("data:") and not _leads(page, link, texts)
    ]
    assert astray == []


def _leads(page: Path, link: str, texts: dict[Path, str]) -> bool:
    path, _, place = unquote(link).partition("#")
    target = Path(os.path.normpath(page.parent / path)) if path else page
    return target.is_file() and (not place or f'id="{place}"' in texts[target])


def test_no_two_actions_of_the_shop_name_the_same_product(runs):
    """Over the reports' own actions, before the overview settles anything."""
    seen: dict[str, str] = {}
    for report in runs.dirs:
        for action in load_actions(runs.dirs[report]) if report != "overview" else ():
            for sku in action.items if action.item == "product" else ():
                assert seen.setdefault(sku, action.key) == action.key, sku
    assert len(seen) > 20


def test_no_page_contradicts_itself(runs):
    """Verdict, key figures, words of tables, ranges, and actions of all reports."""
    pages = {report: runs.folder / f"reports/demo/harbor/{report}" for report in runs.dirs}
    wrong = {
        report: contradictions(runs.dirs[report], next(folder.glob("20*.html")))
        for report, folder in pages.items()
    }
    assert {report: found for report, found in wrong.items() if found} == {}


def test_advice_on_tests_contradicts_no_number_and_no_other_page(runs):
    """Stop, Take B, and Wait follow the range of the profit; list, table, and actions agree."""
    notebook = json.loads(read_packed(runs.dirs["ab_tests"] / "notebook.ipynb"))
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", ())]
    [bundle] = [o["data"][AbTestList.MIME] for o in outputs if AbTestList.MIME in o.get("data", {})]
    rows = {row.name: row for row in AbTestList.from_json(bundle).rows}
    records = {record["test"]: record for record in runs.tables("ab_tests")["decision"]}
    assert rows.keys() == records.keys()
    actions = {action.anchor for action in load_actions(runs.dirs["ab_tests"])}
    assert actions == {row.action for row in rows.values() if row.action}
    for name, row in rows.items():
        record = records[name]
        assert (record["advice"], record["visitors"]) == (row.verb, row.visitors)
        assert record["lift"] == (row.difference.value if row.difference else None)
        assert record["profit_month"] == (row.month.value if row.month else None)
        sign = row.month.sign if row.month else None
        assert row.verb != "Take B" or sign in (None, 1)
        assert row.verb == "Take B" or sign != 1 or "More profit" in row.reason
        assert row.verb != "Stop" or (row.state == "running" and sign != 1)
        assert not (sign == -1 and row.state == "running") or row.verb == "Stop"
        proven = [check.text for check in row.checks if "profit" in check.text.lower()]
        assert proven in ([], ["Profit not known"]) or sign is None or proven == [_PROFITS[sign]]


_PROFITS = {1: "More profit", 0: "Profit not proven", -1: "Less profit"}
