"""The IRI grammar stays unloaded until somebody checks an IRI."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from d1lab.fast_import import defer_iri_grammar
defer_iri_grammar()
import sys, altair, nbformat
assert "rfc3987_syntax.syntax_helpers" not in sys.modules, "the grammar was loaded"
import jsonschema
check = jsonschema.FormatChecker(["iri"]).conforms
print(check("https://example.org/ü", "iri"), check("not an iri", "iri"))
assert "rfc3987_syntax.syntax_helpers" in sys.modules
"""


def test_grammar_loads_only_when_an_iri_is_checked():
    """altair and nbformat import without it, and checks still tell right from wrong."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["True", "False"]
