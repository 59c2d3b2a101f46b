"""Terms that a tap explains: those in the labels of a page, with their explanation."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("terms.toml")


class Term(NamedTuple):
    """A term with its explanation, shown in a popover of the page."""

    name: str
    meaning: str

    @property
    def anchor(self) -> str:
        """ID of the popover."""
        return f"term-{re.sub('[^a-z]+', '-', self.name.lower())}"


@lru_cache(maxsize=1)
def all_terms() -> list[Term]:
    """Return all terms, longest first."""
    found = tomllib.loads(FILE.read_text(encoding="utf-8"))["terms"]
    return [Term(name, found[name]) for name in sorted(found, key=len, reverse=True)]


class UsedTerms:
    """The terms that a page needs; each has one popover.

    Args:
        is_live: Whether the page explains terms; mail readers have no popovers.
    """

    def __init__(self, *, is_live: bool = True) -> None:
        self._known = all_terms() if is_live else []
        self.used: dict[str, Term] = {}

    def of(self, label: object) -> Term | None:
        """Return the longest term in a label, and remember it.

        >>> terms = UsedTerms()
        >>> terms.of("Observed lift").anchor, terms.of("Lifts"), terms.of("Units"), len(terms.used)
        ('term-lift', None, None, 1)
        """
        for term in self._known:
            if re.search(rf"\b{re.escape(term.name)}\b", str(label), re.IGNORECASE):
                self.used[term.anchor] = term
                return term
        return None
