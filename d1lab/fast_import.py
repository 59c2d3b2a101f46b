"""Defer the compilation of the IRI grammar, half of altair's and papermill's import time.

`jupyterlab` installs `jsonschema[format-nongpl]`, which imports `rfc3987_syntax`, which compiles
its grammars on import (1-2 s). d1lab validates no IRIs; code that does waits on its first call.
See python-jsonschema/jsonschema issues 1428 and 1521.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec

_NAME = "rfc3987_syntax"


def defer_iri_grammar() -> None:
    """Make `rfc3987_syntax` load on first use. Call this before importing altair or papermill."""
    spec = None if _NAME in sys.modules else find_spec(_NAME)
    if spec is None or spec.loader is None:
        return
    loader, module = spec.loader, module_from_spec(spec)

    def is_valid_syntax(term: str, text: str) -> bool:
        if module.is_valid_syntax is is_valid_syntax:
            loader.exec_module(module)  # replaces this stub by the real function
        return module.is_valid_syntax(term, text)

    module.is_valid_syntax = is_valid_syntax  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules[_NAME] = module
