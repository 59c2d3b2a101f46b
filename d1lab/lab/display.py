"""Display methods of a lab: verdict, figures, table, chart, note; and stop, which ends a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from d1lab.display import DataTable, Figures, Note, Verdict, money
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.display.details import Details
from d1lab.display.labels import (
    Labels,
    column_meanings,
    column_names,
    labeled_figures,
    selected,
)
from d1lab.errors import StopRun
from d1lab.lab.charting import LabCharts

if TYPE_CHECKING:
    from d1lab.lab.lab import Lab


class DisplayMixin:
    """Display methods of a Lab; tables are saved in the folder of the run."""

    _given_run_dir: Path | None
    _labels: Labels
    currency: str

    def verdict(self, text: object, status: str = "neutral", detail: object = "") -> Verdict:
        """Show the report's main result in one sentence; status good, bad, neutral, or unknown."""
        return Verdict.of(text, status, detail)

    def controls(self) -> object:
        """Show the notebook's parameters as widgets that run the cells below when one changes.

        They are the parameters of the cell tagged `parameters`, in the notebook's file. A valid
        change is assigned, and JupyterLab runs the cells below the parameters; elsewhere, run them
        by hand. In a run, there is nothing to show.

        Returns:
            The controls; None in a run.

        Raises:
            InputError: This is no notebook, or its file has no valid parameters cell.
        """
        if self._given_run_dir:
            return None
        from d1lab.lab.controls import controls, notebook_names

        return controls(cast("Lab", self), notebook_names())

    def figures(self, *figures: object, **values: object) -> Figures:
        """Show key figures, most important first: `lab.figures(uses=212, savings=1043.5)`.

        Args:
            figures: `Figure`s, mappings of the fields of `d1lab.display.Figure`, or frames of them.
            values: Values by name; label, unit, and kind come from the metrics' headers.
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
        """Show the first rows of a frame, with labels, units, and kinds from the metrics' headers.

        Args:
            shown: Ordered frame or relation, or a `ReportTable`, which includes all other options.
            title: Caption of the table.
            columns: Names of the columns to show, as a list or as "sku revenue".
            options: Options of `d1lab.display.DataTable.from_frame`.
        """
        if isinstance(shown, ReportTable):
            fields = {**shown._asdict(), "title": title or shown.title, **options}
            return self.table(fields.pop("frame"), **fields)
        frame = selected(shown, columns)
        meaning = column_meanings(column_names(frame), options, self._labels, self.currency)
        return DataTable.from_frame(frame, title=title, run_dir=self._given_run_dir, **meaning)

    def details(
        self,
        shown: Any,
        *,
        title: str = "",
        columns: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Details:
        """Declare what a page shows of an item when its name in a table is tapped.

        The first four numbers stand at the top, a series of numbers (kind `trend`) becomes bars,
        and the rest is a list. Of all rows, the page has only those whose item a table shows.

        Args:
            shown: Frame with a row per item, the most important first, or a `ReportTable`.
            title: What the items are.
            columns: Names of the columns; the first is the item as the tables name it, such as
                `product`.
            options: Options of `d1lab.display.DataTable.from_frame`.
        """
        if isinstance(shown, ReportTable):
            fields = {**shown._asdict(), "title": title or shown.title, **options}
            return self.details(fields.pop("frame"), **fields)
        frame = selected(shown, columns)
        meaning = column_meanings(column_names(frame), options, self._labels, self.currency)
        return Details(DataTable.from_frame(frame, title=title, **meaning))

    @property
    def charts(self) -> LabCharts:
        """Chart functions with this lab's labels: `lab.charts.line(frame, ...)`."""
        return LabCharts(self._labels, self.currency)

    def chart(self, declared: ReportChart) -> Any:
        """Draw a declared chart, or show its note if the frame is empty."""
        if not len(declared.frame) and declared.otherwise:
            return self.note(declared.otherwise)
        words = {"title": declared.title, "description": declared.description}
        draw = getattr(self.charts, declared.form)
        return draw(declared.frame, *declared.columns.split(), **words, **declared.options)

    def plot(
        self,
        shown: Any,
        *,
        x: str | None = None,
        y: str | None = None,
        color: str | None = None,
        title: str = "",
    ) -> Any:
        """Draw a frame, relation, or series in a form that suits its columns.

        Dates and numbers become lines, names and numbers bars, two numbers points, one number its
        distribution. Rows that share a place are added up, and percentages averaged; the title
        says so. For a report, `lab.charts` has the forms themselves.

        Args:
            shown: Frame, relation, series, or list of values.
            x: Column across; None to choose it.
            y: Column of the values; None to choose it.
            color: Column of names that splits the rows; None to choose it.
            title: Title; empty to name the columns.

        Returns:
            An Altair chart, or a note if there are no values.

        Raises:
            UnknownName: A column does not exist.
            InputError: The value is not a frame, a relation, or a series.
        """
        from d1lab.charts.automatic import as_frame, plot

        frame = as_frame(shown)
        if not frame.notna().to_numpy().any():
            return self.note("There are no values to plot.")
        labels, currency = self._labels, self.currency
        return plot(frame, x=x, y=y, color=color, title=title, labels=labels, currency=currency)

    def money(self, amount: object) -> str:
        """Format an amount in the shop's currency for a sentence: '$7,007'."""
        return money(amount, self.currency)

    def note(self, text: object, tone: str = "note") -> Note:
        """Show a remark; tone is 'note' or 'warning'."""
        return Note.of(text, tone)

    def stop(self, reason: object, *shown: object) -> NoReturn:
        """Stop the run early without an error, for example when data is missing.

        Args:
            reason: What is missing, and how to add it.
            shown: Results that are still available; with a verdict, the run counts as done.

        Raises:
            StopRun: Always.
        """
        if shown:
            from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

            display(*shown)
        raise StopRun(str(reason))
