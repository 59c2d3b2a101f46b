"""What the app reads: the dashboard's figures are those of the guide's own loader."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.outside import guide_app

RESULTS = Path(__file__).parents[3] / "worker" / "gateway" / "results.js"
STATEMENT = re.compile(r"SELECT\s+COUNT\(DISTINCT discount_id\).*?'-30 days'\)", re.DOTALL)


def test_dashboard_runs_the_statement_of_the_guides_loader():
    """Word for word, so that the gateway and the app show the same."""
    found = [
        STATEMENT.findall(path.read_text(encoding="utf-8"))
        for path in (RESULTS, guide_app() / "worker.js")
    ]
    ours, theirs = ([" ".join(text.split()) for text in texts] for texts in found)
    assert ours == theirs
    assert len(ours) == 1
