"""Terms that a tap explains."""

from __future__ import annotations

import re
from pathlib import Path

from d1lab.pages.terms import UsedTerms, all_terms

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"


def test_the_longest_term_of_a_label_is_explained_once():
    terms = UsedTerms()
    assert terms.of("Break-even lift, %").name == "break-even lift"
    assert terms.of("Observed lift").name == "lift"
    assert terms.of("Lift of profit").anchor == "term-lift"
    assert terms.of("Units on hand") is None
    assert list(terms.used) == ["term-break-even-lift", "term-lift"]


def test_terms_are_those_of_the_glossary_in_plain_sentences():
    """One term per concept, on pages and in the docs."""
    glossary = GLOSSARY.read_text(encoding="utf-8").lower()
    assert [term.name for term in all_terms() if term.name.lower() not in glossary] == []
    for term in all_terms():
        assert re.fullmatch(r"[A-Z0-9].*\.", term.meaning)
        assert len(term.meaning) <= 180
    assert len({term.anchor for term in all_terms()}) == len(all_terms())
