"""The graph of lineage: exact after a run, and said to be from the source before one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from d1lab.errors import UnknownName
from d1lab.jobs.lineage_graph import Edge, LineageGraph, Node, as_dot, as_mermaid, lineage_graph
from d1lab.jobs.run import run_reports

INVENTORY = Path(__file__).parents[2] / "notebooks" / "inventory.ipynb"
REPORT = Node("report", "uses_the_lab")
LINES = """\
-- lines: number of order lines
-- unit: order lines      grain: shop      reads: order_lines
SELECT shop, count(*) AS lines FROM order_lines WHERE shop = $shop GROUP BY shop
"""


def into(graph, node: Node) -> set[Node]:
    return {edge.source for edge in graph.edges if edge.target == node}


def out_of(graph, node: Node) -> set[Node]:
    return {edge.target for edge in graph.edges if edge.source == node}


def test_graph_shows_what_the_last_run_read_and_staged(settings, use):
    """Table, metric, report, and column: first from the source, then from the run's notes."""
    use("uses_the_lab")
    (settings.root / "metrics").mkdir()
    (settings.root / "metrics" / "lines.sql").write_text(LINES)
    before = lineage_graph(settings)
    assert before.from_source == ("uses_the_lab",)
    assert out_of(before, REPORT) == {Node("column", "inventory_impact")}
    [outcome] = run_reports(settings, shops=["harbor"], push=False)
    assert outcome.status == "done"
    graph = lineage_graph(settings)
    assert graph.from_source == ()
    assert out_of(graph, REPORT) == {Node("column", "inventory_impact.turnover_rate")}
    assert into(graph, Node("metric", "lines")) == {Node("table", "order_events")}
    assert out_of(graph, Node("metric", "lines")) == set()  # no report reads it
    read = {node for node in into(graph, REPORT) if node.kind == "table"}
    assert Node("table", "inventory_impact") in read
    assert ("inventory_impact", "", "uses_the_lab", "inventory_impact.turnover_rate") in (
        graph.rows()
    )


def test_graph_of_one_metric_has_only_its_ways(settings):
    """Sources of the metric and what depends on it; nothing beside."""
    shutil.copy(INVENTORY, settings.notebooks_dir)
    graph = lineage_graph(settings, metric="turnover")
    report = Node("report", "inventory")
    assert Edge(Node("metric", "turnover"), report) in graph.edges
    assert Edge(report, Node("column", "inventory_impact")) in graph.edges
    assert Node("table", "inventory_impact") in into(graph, Node("metric", "turnover"))
    assert {node.name for edge in graph.edges for node in edge if node.kind == "metric"} == {
        "turnover"
    }
    with pytest.raises(UnknownName, match="Did you mean 'turnover'"):
        lineage_graph(settings, metric="turnver")


def test_graph_can_be_drawn():
    """Mermaid and Graphviz, with names that have quotation marks."""
    graph = LineageGraph((Edge(Node("table", 'a"b'), Node("metric", "m")),), ())
    assert as_mermaid(graph) == (
        'flowchart LR\n    n0["table a#quot;b"]\n    n1["metric m"]\n    n0 --> n1\n'
    )
    assert '    "table a\\"b" -> "metric m";' in as_dot(graph)
