"""Queries of metrics: how much memory they get."""

from __future__ import annotations

import pytest

from d1lab.errors import InputError
from d1lab.lab.query import evaluated
from d1lab.metrics import parse_metric
from d1lab.warehouse import limit_memory, limit_of, scratch

METRIC = """-- size: size of a list
-- unit: rows      grain: -      reads: order_lines
-- $rows: rows of the list, integer
SELECT len(list(i)) AS size FROM range($rows::INTEGER) AS t (i)"""


def test_a_query_for_which_half_of_the_memory_is_not_enough_gets_all_of_it():
    """A list of 2 million numbers cannot go to the disk, and takes more than 30 MB, but not 60."""
    metric = parse_metric(METRIC)
    with scratch() as con:
        limit_memory(con, "60MB")
        found = evaluated(con, metric, {"rows": 2_000_000}, memory="60MB")
        assert found["size"].tolist() == [2_000_000]
        assert limit_of(con) == "57.2 MiB"
        with pytest.raises(InputError, match=r"more memory than 57.2 MiB. Raise `memory`"):
            evaluated(con, metric, {"rows": 20_000_000}, memory="60MB")
        limit_memory(con, "30MB")
        with pytest.raises(InputError, match="needs more memory"):
            evaluated(con, metric, {"rows": 2_000_000})
