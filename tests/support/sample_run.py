"""Run folders made by hand: what a runner leaves, without running anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from d1lab import charts
from d1lab.charts.theme import MIME
from d1lab.display import DataTable, Figure, Figures, Note, Verdict
from d1lab.runs.record import RunRecord, key_figures, recorded_verdict, save_results

DAY = date(2026, 5, 31)
PULLED = datetime(2026, 6, 1, 5, 58, tzinfo=UTC)
STARTED = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)
HOSTILE = (
    "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
    "[x](javascript:window.hacked=1) {{7*7}} =HYPERLINK(1)"
)


def markdown(text: str) -> dict[str, Any]:
    """A Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(source: str, *shown: Any, tags: Sequence[str] = (), printed: str = "") -> dict[str, Any]:
    """A code cell that displayed some objects."""
    outputs: list[dict[str, Any]] = [
        {"output_type": "display_data", "metadata": {}, "data": _bundle(item)} for item in shown
    ]
    if printed:
        outputs.append({"output_type": "stream", "name": "stdout", "text": printed})
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": outputs,
        "execution_count": 1,
    }


def _bundle(item: Any) -> dict[str, Any]:
    if hasattr(item, "layer"):  # a chart, as a run keeps it
        return {MIME: item.to_dict(), "text/plain": "a chart"}
    return item if isinstance(item, dict) else item._repr_mimebundle_()


def write_run(folder: Path, cells: Sequence[dict[str, Any]], **fields: Any) -> Path:
    """A run's folder under data/demo/runs, with its notebook, figures and record."""
    notebook = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    record = run_record(**{"verdict": recorded_verdict(notebook), **fields})
    run_dir = folder / "data" / "demo" / "runs" / record.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "notebook.ipynb").write_text(json.dumps(notebook))
    (run_dir / "log.txt").write_text("2026-06-01 06:00:00 cell 1: ok\n")
    reads = {"metric": "turnover", "reads": ["inventory_days", "products"], "params": {}}
    (run_dir / "reads.jsonl").write_text(json.dumps(reads) + "\n")
    save_results(run_dir, key_figures(notebook))
    record.save(run_dir)
    return run_dir


def run_record(**fields: Any) -> RunRecord:
    """The record of a run that ended well."""
    basics: dict[str, Any] = {
        "run_id": "20260601T060000-inventory-harbor",
        "report": "inventory",
        "title": "Stock: turnover and cover",
        "shop": "harbor",
        "status": "done",
        "started_at": STARTED,
        "finished_at": STARTED + timedelta(seconds=1.4),
        "seconds": 1.4,
        "as_of": DAY,
        "parameters": {"shop": "harbor", "as_of": "2026-05-31", "days": 90, "lead_time_days": 14},
        "given": ["shop"],
        "notebook_hash": "9f2ab4c1d0e87a6655443322110f0e0d",
        "code_cells": 9,
        "cells_done": 9,
        "data": {
            "pulled_at": PULLED,
            "data_as_of": DAY,
            "timezone": "Europe/Berlin",
            "bookmark": "00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683",
            "tables": [
                {"name": "order_events", "rows": 218_340, "high_rowid": 218_340},
                {"name": "inventory_impact", "rows": 18_250, "high_rowid": 18_250},
            ],
        },
        "versions": {"d1lab": "0.1.0", "python": "3.12.4", "duckdb": "2.0.0"},
    }
    return RunRecord.model_validate({**basics, **fields})


def figures(shift: float = 0.0) -> Figures:
    """Three key figures with intervals, and more behind them."""
    return Figures.of(
        Figure.of(
            "products_short",
            int(23 - 6 * shift),
            label="Products that run out within 14 days",
            low=int(19 - 6 * shift),
            high=int(28 - 6 * shift),
            better="lower",
        ),
        Figure.of(
            "median_cover",
            41.3 + 2 * shift,
            label="Median cover",
            unit="days",
            low=39.8 + 2 * shift,
            high=43.1 + 2 * shift,
        ),
        Figure.of(
            "dead_stock",
            18_340.5 + 900 * shift,
            unit="USD",
            kind="money",
            better="lower",
            note="-10% on the 30 days before, within the swing from day to day (-27% to +8%)",
        ),
        Figure.of("turnover_rate", 5.91, unit="a year", low=5.4, high=6.5, better="higher"),
        Figure.of("lost_units", None, note="fewer than 30 days in stock"),
    )


def live_cell() -> dict[str, Any]:
    """A cell with a chart that is declared interactive."""
    frame = pd.DataFrame({"x": [1, 2], "y": [1, 2]})
    words = {"title": "Live", "description": "A line."}
    return code("draw", charts.line(frame, "x", "y", interactive=True, **words))


def turnover_cells(shift: float = 0.0) -> list[dict[str, Any]]:
    """A report of the usual shape: a verdict, figures, four charts, two tables, notes."""
    random = np.random.default_rng(7)
    stock = _stock(random)
    days = pd.date_range("2026-03-03", periods=90)
    level = 5_200 + random.normal(0, 60, 90).cumsum() - 14 * np.arange(90)
    daily = pd.DataFrame(
        {"day": days, "units": level.round(), "low": level - 160, "high": level + 190}
    )
    weekly = pd.DataFrame({"week": days[::7], "lost": random.poisson(42, len(days[::7]))})
    top = stock.head(12)
    return [
        markdown("# Inventory\n\nWhat runs out before it can be replaced, and what is dead money."),
        code("shop = 'harbor'", tags=["parameters"]),
        code("import d1lab\nlab = d1lab.open(shop=shop)", tags=["setup"]),
        code(
            "lab.verdict(...)",
            Verdict.of(
                "23 of 212 products run out before the next delivery can arrive.",
                "bad",
                "Lead time 14 days. Cover counts days in stock only, so a stock-out does not pass"
                " for missing demand.",
            ),
        ),
        code("lab.figures(...)", figures(shift)),
        markdown(
            "## What runs out first\n\nCover is the stock on hand over the sales per day in stock."
            " The dashed line is the lead time; what lies wholly to its left needs an order"
            " **today**."
        ),
        code(
            "charts.interval(...)",
            charts.interval(
                top,
                "product",
                "days_of_supply",
                "low",
                "high",
                reference=14,
                title="Seven products have less cover than the lead time",
                description="Days of supply of the twelve products that run out first, with 90%"
                " intervals, against a lead time of 14 days. Seven lie wholly below it.",
                units={"days_of_supply": "days"},
            ),
        ),
        code(
            "lab.table(...)",
            DataTable.from_frame(
                stock,
                title="Cover, the least first",
                limit=12,
                units={"days_of_supply": "days", "low": "days", "high": "days", "tied_up": "USD"},
                kinds={"stockout_rate": "percent"},
                note="The interval comes from the sales rate, taken as Poisson.",
            ),
        ),
        markdown(
            "## Stock over time\n\n"
            "Units on hand over all products, with the band of the count's error."
        ),
        code(
            "charts.line(...)",
            charts.line(
                daily,
                "day",
                "units",
                low="low",
                high="high",
                title="Stock has fallen by a quarter since March",
                description="Units on hand by day from 3 March to 31 May 2026, falling from about"
                " 5,200 to 3,900.",
                labels={"units": "Units on hand"},
            ),
        ),
        code(
            "charts.bar(...)",
            charts.bar(
                weekly,
                "week",
                "lost",
                title="About forty units a week were not there to sell",
                description="Bars of estimated lost units by week.",
                labels={"lost": "Lost units"},
            ),
        ),
        markdown("## Dead money"),
        code(
            "charts.bar(...)",
            charts.bar(
                stock.nlargest(8, "tied_up"),
                "product",
                "tied_up",
                title="Two products hold a third of the dead stock",
                description="Bars of the value of unsold stock of the eight largest products.",
                units={"tied_up": "USD"},
                labels={"tied_up": "Tied up"},
            ),
            Note.of("What a product cost is not known: tied up is valued at its selling price."),
        ),
        markdown(
            "---\n\n### How to read the interval\n\n- It widens where little was sold.\n"
            "- `reason` says why a product has none."
        ),
    ]


def hostile_cells(text: str = HOSTILE) -> list[dict[str, Any]]:
    """The same text wherever a merchant's or a notebook's data can stand."""
    frame = pd.DataFrame({text: [text, "x" * 500_000], "n": [1, 2]})
    words: dict[str, Any] = {"title": text, "description": text}
    loose = {"text/html": f"<b>{text}</b>", "text/plain": text, "application/javascript": text}
    return [
        markdown(f"# {text}\n\n{text}\n\n> {text}\n\n| a |\n|-|\n| {text} |"),
        code(text, Verdict.of(text, "bad", text), Note.of(text, "warning")),
        code("", Figures.of(Figure.of("n", 1, label=text, unit=text, dimension=text, note=text))),
        code("", DataTable.from_frame(frame, title=text, labels={text: text}, units={"n": text})),
        code(
            "",
            charts.bar(frame, text, "n", interactive=True, **words),
            charts.line(frame, "n", "n", **words),
        ),
        code("", {"text/markdown": text}, loose, {"image/png": text}, printed=text),
    ]


def _stock(random: np.random.Generator) -> pd.DataFrame:
    names = ["Sea salt, 500 g", "Olive oil, 1 l", "Dark roast beans", "Rye crispbread", "Oat drink"]
    names += ["Tinned sardines", "Wildflower honey", "Basmati rice", "Capers", "Lemon curd"]
    sizes = ["", " (twin)", " (case)", ", organic"]
    cover = np.sort(random.gamma(2, 14, 40)) + 2
    return pd.DataFrame(
        {
            "product": [n + s for s in sizes for n in names],
            "ending_units": random.integers(3, 420, 40),
            "days_of_supply": cover,
            "low": cover * 0.8,
            "high": cover * 1.3,
            "stockout_rate": random.beta(1, 12, 40),
            "tied_up": random.gamma(2, 900, 40).round(2),
        }
    )
