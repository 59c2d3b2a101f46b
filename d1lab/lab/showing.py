"""lab.verdict, figures, table, chart, note: what a report shows; lab.stop, which ends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from d1lab.display import DataTable, Figures, Note, Verdict, money
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.display.labels import (
    Labels,
    column_meanings,
    column_names,
    labeled_figures,
    selected,
)
from d1lab.errors import StopRun
from d1lab.lab.charting import LabCharts


class DisplayMixin:
    """What a Lab can show; it brings the run's folder, where there is a run."""

    _given_run_dir: Path | None
    _labels: Labels
    currency: str

    def verdict(self, text: object, status: str = "neutral", detail: object = "") -> Verdict:
        """Show the report's main result in one sentence; status good, bad, neutral, or unknown."""
        return Verdict.of(text, status, detail)

    def figures(self, *figures: object, **values: object) -> Figures:
        """Key figures, in the order of their weight: `lab.figures(uses=212, savings=1043.5)`.

        Args:
            figures: Mappings of `d1lab.display.Figure`'s fields, or frames of them.
            values: Values by name; label, unit and kind come from the metrics' headers.
        """
        return Figures.of(*labeled_figures(figures, values, self._labels, self.currency))

    def table(
        self,
        shown: Any,
        *,
        title: str = "",
        columns: str | Sequence[str] | None = None,
        **options: Any,
    ) -> DataTable:
        """The top of a frame as a table; labels, units and kinds come from the metrics' headers.

        Args:
            shown: A frame or a relation, ordered; or a `ReportTable`, which brings all the rest.
            title: What the table shows.
            columns: Names of the columns to show, also as one text: "sku revenue".
            options: As in `d1lab.display.DataTable.from_frame`.
        """
        if isinstance(shown, ReportTable):
            fields = {**shown._asdict(), "title": title or shown.title, **options}
            return self.table(fields.pop("frame"), **fields)
        frame = selected(shown, columns)
        meaning = column_meanings(column_names(frame), options, self._labels, self.currency)
        return DataTable.from_frame(frame, title=title, run_dir=self._given_run_dir, **meaning)

    @property
    def charts(self) -> LabCharts:
        """The forms of `d1lab.charts`, with this lab's labels: `lab.charts.line(frame, ...)`."""
        return LabCharts(self._labels, self.currency)

    def chart(self, declared: ReportChart) -> Any:
        """Draw a chart that a report declares; its note where there is nothing to draw."""
        if not len(declared.frame) and declared.otherwise:
            return self.note(declared.otherwise)
        words = {"title": declared.title, "description": declared.description}
        draw = getattr(self.charts, declared.form)
        return draw(declared.frame, *declared.columns.split(), **words, **declared.options)

    def money(self, amount: object) -> str:
        """An amount in running text, in the shop's currency: '$7,007'."""
        return money(amount, self.currency)

    def note(self, text: object, tone: str = "note") -> Note:
        """A remark beside the story; tone note or warning."""
        return Note.of(text, tone)

    def stop(self, reason: object, *shown: object) -> NoReturn:
        """Stop the run early without an error, for example when data is missing.

        Args:
            reason: What is missing, and what brings it.
            shown: What can be told all the same; with a verdict among it the run counts as done.

        Raises:
            StopRun: Always.
        """
        if shown:
            from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

            display(*shown)
        raise StopRun(str(reason))
