"""lab.charts: the chart forms, with the labels of the lab's metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from d1lab.display.labels import Labels


class LabCharts:
    """The forms of `d1lab.charts`, which draw with a lab's labels.

    Args:
        labels: By column; what a call says itself comes first.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def __getattr__(self, form: str) -> Callable[..., Any]:
        import d1lab.charts as charts  # altair: loaded when the first chart is drawn

        if form not in charts.__all__:
            raise AttributeError(
                f"there is no chart form {form!r}; use {', '.join(charts.__all__)}"
            )
        return partial(getattr(charts, form), known_labels=self._labels)

    def __dir__(self) -> list[str]:
        import d1lab.charts as charts

        return charts.__all__
