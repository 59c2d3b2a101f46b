"""lab.charts: chart functions with the labels of the lab's metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from d1lab.display.labels import Labels


class LabCharts:
    """The functions of `d1lab.charts`, with a lab's labels and currency.

    Args:
        labels: Labels by column; those in a call take precedence.
        currency: Currency of amounts without a unit.
    """

    def __init__(self, labels: Labels, currency: str = "") -> None:
        self._labels, self._currency = labels, currency

    def __getattr__(self, form: str) -> Callable[..., Any]:
        import d1lab.charts as charts  # imports altair, only when the first chart is drawn

        if form not in charts.__all__:
            raise AttributeError(
                f"chart form {form!r} not found. Forms: {', '.join(charts.__all__)}"
            )
        return partial(getattr(charts, form), known_labels=self._labels, currency=self._currency)

    def __dir__(self) -> list[str]:
        import d1lab.charts as charts

        return charts.__all__
