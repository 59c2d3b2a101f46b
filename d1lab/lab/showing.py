"""lab.verdict, figures, table, note: what a report shows; lab.stop, which ends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from d1lab.display import DataTable, Figures, Note, Verdict, money
from d1lab.display import labels as vocabulary
from d1lab.errors import StopRun


class Showing:
    """What a Lab can show; it brings the run's folder, where there is a run."""

    _given_run_dir: Path | None

    def verdict(self, text: object, status: str = "neutral", detail: object = "") -> Verdict:
        """Show the report's main result in one sentence; status good, bad, neutral, or unknown."""
        return Verdict.of(text, status, detail)

    def figures(self, *figures: object, **values: object) -> Figures:
        """Key figures, in the order of their weight: `lab.figures(uses=212, savings=1043.5)`.

        Args:
            figures: Mappings of `d1lab.display.Figure`'s fields, or frames of them.
            values: Values by name; label, unit and kind come from `d1lab.display.labels`.
        """
        return Figures.of(*vocabulary.figures(figures, values))

    def table(
        self, frame: Any, *, title: str, columns: str | Sequence[str] | None = None, **options: Any
    ) -> DataTable:
        """The top of a frame as a table; labels, units and kinds come from the vocabulary.

        Args:
            frame: A frame or a relation, ordered.
            title: What the table shows.
            columns: Names of the columns to show, also as one text: "sku revenue".
            options: As in `d1lab.display.DataTable.from_frame`.
        """
        shown = vocabulary.selected(frame, columns)
        meaning = vocabulary.meanings(vocabulary.column_names(shown), options)
        return DataTable.from_frame(shown, title=title, run_dir=self._given_run_dir, **meaning)

    def money(self, amount: object) -> str:
        """An amount in running text, in the shop's currency: '$7,007'."""
        return money(amount)

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
            from IPython.display import display

            display(*shown)
        raise StopRun(str(reason))
