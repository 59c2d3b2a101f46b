"""A list of tests as data: nothing is lost between the notebook and the page."""

from __future__ import annotations

import json

from d1lab.display.ab_test_list import AbTestList, Estimate
from tests.support.ab_advice import ROW


def test_a_list_survives_json():
    made = AbTestList((ROW, ROW._replace(difference=None, visitors=None)), 7, "USD", "decision")
    bundle = json.loads(json.dumps(made._repr_mimebundle_()[AbTestList.MIME]))
    assert AbTestList.from_json(bundle) == made


def test_a_notebook_shows_advice_and_no_markup():
    bundle = AbTestList((ROW,), 1)._repr_mimebundle_()
    assert "Gift &lt;b&gt;" in bundle["text/html"]
    assert bundle["text/plain"].splitlines()[1].startswith("Stop  Gift <b>  Running  10%")


def test_a_sign_is_that_of_the_whole_range():
    signs = [Estimate(1, 0.1, 2), Estimate(-1, -2, -0.1), Estimate(1, -1, 2), Estimate(1)]
    assert [one.sign for one in signs] == [1, -1, 0, 0]
    assert Estimate(1, 0.5, None).sign == 1
