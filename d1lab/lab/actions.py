"""Methods of a lab for actions: what a report advises to do, and what other reports advise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from d1lab.display.actions import Action, Actions, add_action, ranked
from d1lab.display.table import DataTable
from d1lab.lab.other_reports import OtherReport, missing_reports, other_reports
from d1lab.lab.staging import StagingMixin
from d1lab.lab.usage import UsageMixin


class ActionsMixin(StagingMixin, UsageMixin):
    """Action methods of a Lab; the run keeps its actions in `actions.json`."""

    currency: str
    shop: str | None

    def action(
        self, verb: str, what: str, *, basis: str, items: Any = None, **fields: Any
    ) -> Actions:
        """Advise one action; it is shown at the top of the report's page.

        Args:
            verb: Such as Stop, Order, Clear, Pause, Keep, or Test.
            what: The rest of the sentence, without a period. `{items}` stands for the number of
                items with their noun.
            basis: 'tested', 'counted', or 'estimate'.
            items: Frame with a row per item, which is offered as CSV: its first column is the
                item, and its column `amount`, if any, the item's part in the amount. Or a list.
            fields: Other fields of `d1lab.display.actions.Action`: `key` (default: the verb),
                `amount` (money a month), `low`, `high`, `meaning`, `reason`, `at_most`, `item`,
                `link` (an anchor on the page, such as `list-dead-stock` of a table by its name).

        Raises:
            InputError: A field is invalid, or the run has another action with this key.
            UnknownName: A field does not exist.
        """
        key = fields.pop("key", None) or verb.lower().replace(" ", "-")
        given = {"currency": self.currency, **fields, **self._items(key, items)}
        made = Action.of_fields(key=key, verb=verb, what=what, basis=basis, **given)
        add_action(self.run_dir, made, replace=self._given_run_dir is None)
        return Actions((made,))

    def actions(self, declared: Iterable[Mapping[str, Any] | Action]) -> Actions:
        """Advise the actions that an analysis declares, or quote those of other reports.

        Args:
            declared: Mappings of the arguments of `action`; or actions, as from `other_reports`.
        """
        made = [one for each in declared for one in self._declared(each)]
        return Actions(tuple(ranked(made)))

    def _declared(self, declared: Mapping[str, Any] | Action) -> tuple[Action, ...]:
        if not isinstance(declared, Action):
            return self.action(**declared).actions
        add_action(self.run_dir, declared, replace=self._given_run_dir is None)
        return (declared,)

    def other_reports(self) -> list[OtherReport]:
        """Return the other reports of the shop and day: title, finding, figures, and actions.

        In a run, these are the runs of the reports in the report's `after`. In a notebook, they
        are the newest runs of the default shop.
        """
        return other_reports(self.run_dir, self.shop or "", in_run=self._given_run_dir is not None)

    def missing_reports(self) -> list[str]:
        """Return the reports in the report's `after` that did not succeed for its shop and day."""
        return missing_reports(self.run_dir)

    def _items(self, key: str, items: Any) -> dict[str, Any]:
        """Return the fields of the items, and write their CSV file."""
        if items is None or not len(items):
            return {}
        if not hasattr(items, "columns"):
            return {"items": tuple(str(item) for item in items)}
        table = DataTable.from_frame(
            items, title=f"Action {key}", name=f"action-{key}", run_dir=self.run_dir
        )
        names = list(items.columns)
        fields: dict[str, Any] = {
            "items": tuple(str(item) for item in items[names[0]]),
            "csv": table.save_csv(self.run_dir).name,
        }
        if "amount" in names:
            amounts = (None if value != value else float(value) for value in items["amount"])
            fields["amounts"] = tuple(amounts)
        return fields
