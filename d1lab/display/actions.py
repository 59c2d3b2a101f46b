"""Actions: what a report advises to do, each with its money a month, range, basis, and items.

A run keeps its actions in `actions.json`. The page, the index, the overview, and messages show
them in the order of `ranked`: by money, and those without a known amount last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import orjson

from d1lab.counting import counted
from d1lab.display.notebook_style import framed
from d1lab.display.values import UNKNOWN, as_text, money, plain, show
from d1lab.display.words import prose
from d1lab.errors import InputError, UnknownName
from d1lab.files import write

ACTIONS_FILE = "actions.json"

Basis = Literal["tested", "counted", "estimate"]
"""Tested: a randomized test decided it. Counted: it has happened. Estimate: a forecast, or a stated
assumption."""

Period = Literal["month", "once"]

MONTH_DAYS = 30
"""Days of a month: amounts of other periods are scaled to it."""

_WORDS = {
    "gained": "more a month",
    "lost": "lost a month",
    "at risk": "at risk a month",
    "given away": "given away a month",
    "tied up": "tied up, once",
}
"""What an amount means, with the words below it."""


class Action(NamedTuple):
    """One action of a report.

    `amount` is the profit in 30 days that acting changes, in the shop's currency, unless `per` or
    `of` say otherwise; None if it is not known. Items are what the action is about, such as SKUs.
    """

    key: str  # identifies the action across runs, and is its anchor: lowercase letters, digits, '-'
    verb: str  # such as Stop, Order, Clear, Pause, Keep, Test
    what: str  # rest of the sentence; '{items}' stands for the number of items with its noun
    basis: Basis
    reason: str = ""  # one sentence
    amount: float | None = None  # >= 0
    low: float | None = None  # range of the amount, both or neither
    high: float | None = None
    meaning: str = "gained"  # one of gained, lost, at risk, given away, tied up
    of: str = ""  # what the amount is if it is not profit, such as 'sales'
    per: Period = "month"
    at_most: bool = False  # whether the amount is an upper limit
    item: str = "item"  # noun for one item
    items: tuple[str, ...] = ()
    amounts: tuple[float | None, ...] = ()  # the part of each item in the amount; empty if unknown
    csv: str = ""  # file of the items, in the run's folder
    link: str = ""  # anchor of the evidence on the report's page
    currency: str = ""
    report: str = ""  # report that advises it, if a summary quotes it; '' for the run's own
    report_title: str = ""

    @classmethod
    def of_fields(cls, **fields: Any) -> Action:
        """Build and validate an action.

        Raises:
            InputError: A field is missing or invalid, such as an amount outside its range.
            UnknownName: A field, a basis, or a meaning does not exist.
        """
        for name in fields:
            if name not in cls._fields:
                raise UnknownName("field", name, cls._fields, "an action")
        numbers: dict[str, Any] = {
            name: _number(name, fields.get(name)) for name in ("amount", "low", "high")
        }
        made = cls(**{**fields, **numbers})
        _check(made)
        return made

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Action:
        """Build an action from its JSON record; unknown fields of later versions are dropped."""
        fields = {name: record[name] for name in cls._fields if name in record}
        for name in ("items", "amounts"):
            fields[name] = tuple(fields.get(name, ()))
        return cls.of_fields(**fields)

    def brief(self) -> Action:
        """Return the action without its items, with their number in its sentence."""
        counted_what = self.sentence.removeprefix(f"{self.verb} ")
        return self._replace(what=counted_what, items=(), amounts=(), csv="")

    @property
    def anchor(self) -> str:
        """The ID of the action on the page."""
        return f"action-{self.key}"

    @property
    def sentence(self) -> str:
        """The action as a sentence without a period, beginning with the verb."""
        return f"{self.verb} {self.what.replace('{items}', counted(len(self.items), self.item))}"

    @property
    def amount_text(self) -> str:
        """The amount, such as 'up to $1,708'; a dash if it is not known."""
        if self.amount is None:
            return UNKNOWN
        return f"{'up to ' if self.at_most else ''}{_whole(self.amount, self.currency)}"

    @property
    def meaning_text(self) -> str:
        """The meaning of the amount, such as 'lost a month' or 'of sales at risk a month'."""
        if self.amount is None:
            return "not known"
        words = _WORDS[self.meaning]
        if self.per == "once":
            words = words.replace(" a month", ", once")
        return f"of {self.of} {words}" if self.of else words

    @property
    def basis_text(self) -> str:
        """The basis and the range, such as 'Tested, $1,074 to $3,590'."""
        told = self.basis.capitalize()
        if self.at_most:
            return f"{told}, at most"
        if self.low is None or self.high is None:
            return told
        ends = [_whole(end, self.currency) for end in (self.low, self.high)]
        return f"{told}, {ends[0]} to {ends[1]}"

    @property
    def line(self) -> str:
        """The amount, the sentence, and the basis, as on the page, for messages and links."""
        worth = "" if self.amount is None else f"{self.amount_text} {self.meaning_text}: "
        return f"{worth}{prose(self.sentence)} ({self.basis_text})"

    @property
    def is_loss(self) -> bool:
        """Whether money is surely lost: counted, or with the whole range above zero."""
        if self.meaning not in ("lost", "given away") or self.amount is None:
            return False
        return self.basis == "counted" or (self.low is not None and self.low > 0)

    def keeping(self, items: Iterable[str]) -> Action | None:
        """Return the action for these of its items only; None if none is left.

        The amount is that of the items left if each item's is known, else as before.
        """
        wanted = set(items)
        places = [place for place, item in enumerate(self.items) if item in wanted]
        if len(places) == len(self.items):
            return self
        if not places:
            return None
        kept = self._replace(items=tuple(self.items[place] for place in places))
        if not self.amounts:
            return kept._replace(at_most=self.amount is not None, low=None, high=None)
        amounts = tuple(self.amounts[place] for place in places)
        total = None if self.amount is None else sum(amount or 0.0 for amount in amounts)
        return kept._replace(amounts=amounts, amount=total, low=None, high=None)


class Actions(NamedTuple):
    """Actions, ready to show in a notebook."""

    actions: tuple[Action, ...]

    MIME = "application/vnd.d1lab.actions.v1+json"

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        lines = [(a.amount_text, a.meaning_text, a.sentence, a.basis_text) for a in self.actions]
        rows = "".join(
            f'<tr><td class="n"><strong>{escape(amount)}</strong></td><td>{escape(meaning)}</td>'
            f'<td>{escape(sentence)}</td><td class="muted">{escape(basis)}</td></tr>'
            for amount, meaning, sentence, basis in lines
        )
        return {
            self.MIME: {"actions": [action.key for action in self.actions]},
            "text/plain": "\n".join(f"{a} {b}: {c} ({d})" for a, b, c, d in lines),
            "text/html": framed(f"<table><tbody>{rows}</tbody></table>"),
        }


def ranked(actions: Iterable[Action]) -> list[Action]:
    """Return actions by money, largest first; those without a known amount last."""
    return sorted(actions, key=lambda a: (a.amount is None, -(a.amount or 0.0), a.key))


def add_action(run_dir: Path, action: Action, *, replace: bool = False) -> None:
    """Keep an action with a run.

    Args:
        run_dir: Folder of the run.
        action: The action.
        replace: Whether it replaces one with the same key, for cells that are run again.

    Raises:
        InputError: The run has a different action with this key.
    """
    kept = {one.key: one for one in load_actions(run_dir)}
    if kept.get(action.key, action) != action and not replace:
        raise InputError(
            f"action {action.key!r} is declared twice with different content. Pass another key."
        )
    save_actions(run_dir, ranked((kept | {action.key: action}).values()))


def save_actions(run_dir: Path, actions: Iterable[Action]) -> Path:
    """Write actions.json."""
    return write(run_dir / ACTIONS_FILE, orjson.dumps([a._asdict() for a in actions]))


def load_actions(run_dir: Path) -> list[Action]:
    """Read actions.json, in the order of `ranked`; a missing file means no actions.

    Raises:
        InputError: It is not a list of actions.
    """
    path = run_dir / ACTIONS_FILE
    if not path.is_file():
        return []
    try:
        return ranked(Action.from_json(record) for record in orjson.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is not a list of actions: {error!r:.200}") from None


def _whole(amount: float, currency: str) -> str:
    """Format an amount without decimals, unless it is small."""
    return show(amount, "money", currency, 0) if abs(amount) >= 10 else money(amount, currency)


def _number(name: str, value: object) -> float | None:
    number = plain(value)
    if number is None or (isinstance(number, int | float) and not isinstance(number, bool)):
        return number
    raise InputError(f"action: {name}={value!r} is not a finite number. Use None if unknown.")


def _check(action: Action) -> None:
    """Raise an error if an action is inconsistent."""
    name = f"action {action.key!r}"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", action.key):
        raise InputError(f"{name}: use only lowercase letters, digits, and hyphens in the key")
    if not action.verb.strip() or not action.what.strip():
        raise InputError(f"{name}: a verb and what to do are required")
    for kind, value, known in (
        ("basis", action.basis, get_args(Basis)),
        ("period", action.per, get_args(Period)),
        ("meaning", action.meaning, tuple(_WORDS)),
    ):
        if value not in known:
            raise UnknownName(kind, value, known, name)
    if (action.low is None) != (action.high is None):
        raise InputError(f"{name}: set both low and high; low={action.low}, high={action.high}")
    _check_amount(action, name)
    if action.amounts and len(action.amounts) != len(action.items):
        raise InputError(f"{name}: {len(action.amounts)} amounts of {len(action.items)} items")


def _check_amount(action: Action, name: str) -> None:
    if action.amount is None:
        if action.low is not None or action.at_most:
            raise InputError(f"{name}: a range or an upper limit needs an amount")
    elif action.amount < 0:
        raise InputError(f"{name}: amount {action.amount} is below 0; say it by the meaning")
    elif action.low is not None and action.at_most:
        raise InputError(f"{name}: an upper limit has no range")
    elif not _within(action):
        raise InputError(
            f"{name}: amount {action.amount} is outside its range [{action.low}, {action.high}]"
        )


def _within(action: Action) -> bool:
    if action.low is None or action.high is None or action.amount is None:
        return True
    return action.low <= action.amount <= action.high
