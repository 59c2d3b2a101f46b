"""The graph from D1's tables to its pushed columns: table, metric, report, column.

What a report reads and stages is known from its last successful runs, as their notes say. A report
that has not run since its notebook was changed is read from its source, which shows only the
metrics and tables that the notebook itself names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from d1lab import outbox
from d1lab.catalog import TABLES
from d1lab.config import Settings
from d1lab.errors import D1labError, UnknownName
from d1lab.jobs.history import record_of
from d1lab.jobs.inputs import raw_tables
from d1lab.jobs.ledger import LedgerEntry, open_ledger
from d1lab.metrics import Metric, load_metrics
from d1lab.runs.report import Report, list_reports
from d1lab.runs.run import open_lab, run_folder

Kind = Literal["table", "metric", "report", "column"]

_METRIC = re.compile(r"""\.metric\(\s*["'](\w+)["']""")
_STAGED = re.compile(r"""\.stage\(.*?table=["'](\w+)["']""", re.DOTALL)


class Node(NamedTuple):
    """One thing of the graph; a pushed column is `table.column`, or a table without a run."""

    kind: Kind
    name: str


class Edge(NamedTuple):
    """What one thing gives to another."""

    source: Node
    target: Node


class LineageGraph(NamedTuple):
    """What flows where."""

    edges: tuple[Edge, ...]  # sorted
    from_source: tuple[str, ...]  # reports that were read from their notebooks

    def around(self, node: Node) -> LineageGraph:
        """Return the part of the graph that leads to a node, or from it."""
        kept = {
            *_connected(self.edges, node, ahead=True),
            *_connected(self.edges, node, ahead=False),
        }
        edges = tuple(edge for edge in self.edges if edge in kept)
        reports = {each.name for edge in edges for each in edge if each.kind == "report"}
        return LineageGraph(edges, tuple(name for name in self.from_source if name in reports))

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return the tables, reports, and pushed columns of each metric, and of no metric ('')."""
        metrics = sorted(
            {node.name for edge in self.edges for node in edge if node.kind == "metric"}
        )
        return [self._row(Node("metric", name)) for name in metrics] + [
            self._direct(node)
            for node in sorted({source for source, _ in self.edges if source.kind == "table"})
            if any(a == node and b.kind == "report" for a, b in self.edges)
        ]

    def _row(self, metric: Node) -> tuple[str, str, str, str]:
        tables = [source for source, target in self.edges if target == metric]
        reports = [target for source, target in self.edges if source == metric]
        return (_names(tables), metric.name, _names(reports), _names(self._columns(reports)))

    def _direct(self, table: Node) -> tuple[str, str, str, str]:
        reports = [b for a, b in self.edges if a == table and b.kind == "report"]
        return (table.name, "", _names(reports), _names(self._columns(reports)))

    def _columns(self, reports: Sequence[Node]) -> list[Node]:
        return sorted({b for a, b in self.edges if a in reports and b.kind == "column"})


class _Flow(NamedTuple):
    """What one report reads and writes."""

    metrics: set[str]
    tables: set[str]  # read without a metric
    columns: set[str]


def lineage_graph(
    settings: Settings, database: str | None = None, *, metric: str | None = None
) -> LineageGraph:
    """Return the graph of a project's metrics and reports.

    Args:
        settings: The project's settings.
        database: A name in d1lab.toml; None for the default.
        metric: The metric to show; None for all.

    Raises:
        UnknownName: The metric does not exist.
    """
    metrics, tables = load_metrics(settings.root / "metrics"), _tables(settings, database)
    if metric is not None and metric not in metrics:
        raise UnknownName("metric", metric, metrics)
    edges = {edge for each in metrics.values() for edge in _of_metric(each, tables)}
    last, from_source = _last_runs(settings, database), list[str]()
    for report in list_reports(settings):
        flow = _from_runs(settings, report, last.get(report.name, []), tables)
        if flow is None:
            from_source.append(report.name)
            flow = _from_source(report.path)
        edges |= set(_of_report(report.name, flow, metrics))
    graph = LineageGraph(tuple(sorted(edges)), tuple(from_source))
    return graph.around(Node("metric", metric)) if metric else graph


def _tables(settings: Settings, database: str | None) -> list[str]:
    """Return the names of the D1 tables; d1lab's own where there is no warehouse."""
    try:
        with open_lab(settings, database) as lab:
            return [name for (name,) in lab.sql("SELECT table_name FROM d1lab.tables").fetchall()]
    except D1labError:
        return list(TABLES)


def _of_metric(metric: Metric, tables: Sequence[str]) -> Iterator[Edge]:
    for name in _behind(metric.reads, tables):
        yield Edge(Node("table", name), Node("metric", metric.name))


def _behind(names: Iterable[str], tables: Sequence[str]) -> set[str]:
    """Return the D1 tables behind views; a name that cannot be followed stands for itself."""
    found: set[str] = set()
    for name in names:
        found |= raw_tables([name], tables) or {name}
    return found


def _of_report(report: str, flow: _Flow, metrics: Iterable[str]) -> Iterator[Edge]:
    node = Node("report", report)
    for name in flow.metrics & {*metrics}:
        yield Edge(Node("metric", name), node)
    for name in flow.tables:
        yield Edge(Node("table", name), node)
    for name in flow.columns:
        yield Edge(node, Node("column", name))


def _last_runs(settings: Settings, database: str | None) -> dict[str, list[LedgerEntry]]:
    """Return the last successful run of each shop, by report."""
    name, _ = settings.resolve(database)
    last = {
        (entry.report, entry.shop): entry
        for entry in open_ledger(settings).entries()
        if entry.database == name and entry.status == "done"
    }
    found: dict[str, list[LedgerEntry]] = {}
    for (report, _), entry in last.items():
        found.setdefault(report, []).append(entry)
    return found


def _from_runs(
    settings: Settings, report: Report, runs: Sequence[LedgerEntry], tables: Sequence[str]
) -> _Flow | None:
    """Return what runs of the notebook as it is now read and staged; None if there are none."""
    flow, is_known = _Flow(set(), set(), set()), False
    for entry in runs:
        record = record_of(settings, entry)
        if record is None or record.notebook_hash != report.digest:
            continue
        is_known = True
        run_dir = run_folder(settings, entry.database, entry.run_id)
        for note in outbox.read_notes(run_dir):
            if note["metric"]:
                flow.metrics.add(note["metric"])
            else:
                flow.tables.update(_behind(note["reads"], tables))
        flow.columns.update(_staged(run_dir))
    return flow if is_known else None


def _staged(run_dir: Path) -> Iterator[str]:
    """Yield the columns that a run staged, without keys."""
    for name, columns in outbox.staged_columns(run_dir).items():
        key = TABLES[name].key if name in TABLES else ()
        yield from (f"{name}.{column}" for column in columns if column not in key)


def _from_source(path: Path) -> _Flow:
    """Return the metrics and tables that a notebook names."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return _Flow(set(_METRIC.findall(source)), set(), set(_STAGED.findall(source)))


def _connected(edges: Sequence[Edge], node: Node, *, ahead: bool) -> set[Edge]:
    """Return the edges on the ways that begin at a node, or that end there."""
    found: set[Edge] = set()
    reached, todo = {node}, [node]
    while todo:
        here = todo.pop()
        for edge in edges:
            near, far = edge if ahead else edge[::-1]
            if near == here:
                found.add(edge)
                todo += [far] if far not in reached else []
                reached.add(far)
    return found


def _names(nodes: Iterable[Node]) -> str:
    return ", ".join(node.name for node in nodes)


def as_mermaid(graph: LineageGraph) -> str:
    """Return the graph as a Mermaid flowchart."""
    numbers = {node: f"n{i}" for i, node in enumerate(_nodes(graph))}
    labels = {node: f"{node.kind} {node.name}".replace('"', "#quot;") for node in numbers}
    lines = [f'    {number}["{labels[node]}"]' for node, number in numbers.items()]
    arrows = [f"    {numbers[a]} --> {numbers[b]}" for a, b in graph.edges]
    return "\n".join(["flowchart LR", *lines, *arrows, ""])


def as_dot(graph: LineageGraph) -> str:
    """Return the graph for Graphviz."""
    lines = [f"    {_quoted(node)} [shape={_SHAPES[node.kind]}];" for node in _nodes(graph)]
    arrows = [f"    {_quoted(source)} -> {_quoted(target)};" for source, target in graph.edges]
    return "\n".join(["digraph lineage {", "    rankdir=LR;", *lines, *arrows, "}", ""])


_SHAPES: dict[Kind, str] = {
    "table": "cylinder",
    "metric": "ellipse",
    "report": "note",
    "column": "box",
}


def _quoted(node: Node) -> str:
    return json.dumps(f"{node.kind} {node.name}", ensure_ascii=False)


def _nodes(graph: LineageGraph) -> list[Node]:
    return list(dict.fromkeys(node for edge in graph.edges for node in edge))
