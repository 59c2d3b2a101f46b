"""The pages of what-if runs: the list of reports, a form, and the progress of a run."""

from __future__ import annotations

from html import escape
from typing import Any

from d1lab.pages.svg import csp_hash
from d1lab.parameter_types import range_of
from d1lab.parameters import ReportParameter
from d1lab.runs.report import Report
from d1lab.share.what_if import WhatIfs, WhatIfState, as_text

PREFIX = "/what-if"
RUNS = f"{PREFIX}/run/"
TOKEN = "token"

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
label { display: block; font-weight: 600; margin-top: 1rem; }
small { display: block; font-weight: 400; opacity: .75; }
input, select, button { font: inherit; padding: .3rem .5rem; margin-top: .2rem; min-width: 14rem; }
button { margin-top: 1.5rem; }
progress { width: 100%; }
.error { color: #b3261e; }
@media (prefers-color-scheme: dark) { .error { color: #ff8a80; } }
"""
_POLICY = f"default-src 'none'; style-src {csp_hash(_STYLE)}; form-action 'self'; base-uri 'none'"


def list_page(what_ifs: WhatIfs) -> str:
    """Return the page that lists the reports with parameters to change."""
    items = "".join(
        f'<li><a href="{PREFIX}/{escape(each.name)}">{escape(each.title)}</a></li>'
        for each in what_ifs.reports()
    )
    text = "<p>Run a report with other parameters. Nothing is written to D1.</p>"
    return _page("What if?", f"{text}<ul>{items}</ul>")


def form_page(
    what_ifs: WhatIfs, report: Report, given: dict[str, str] | None = None, problem: str = ""
) -> str:
    """Return the form of a report, with what was entered and why it was rejected, if it was."""
    shops, texts = what_ifs.shops(), given or {}
    fields = "".join(
        _field(parameter, texts.get(parameter.name), shops)
        for parameter in report.parameters.values()
    )
    said = f'<p class="error" role="alert">{escape(problem)}</p>' if problem else ""
    return _page(
        f"What if? {report.title}",
        f'{said}<form method="post" action="{PREFIX}/{escape(report.name)}">'
        f'<input type="hidden" name="{TOKEN}" value="{what_ifs.token}">{fields}'
        "<button>Run</button></form>"
        "<p>The run uses the data as it was pulled last. Nothing is written to D1.</p>",
    )


def progress_page(state: WhatIfState) -> str:
    """Return the page of a run that has not ended with a page; it reloads until it has."""
    if state.problem:
        body = f'<p class="error" role="alert">{escape(state.problem)}</p>'
        return _page(f"What if? {state.title}", body)
    total = f' value="{state.done}" max="{state.cells}"' if state.cells else ""
    where = f"Cell {state.done + 1} of {state.cells}" if state.cells else "Waiting for a kernel"
    body = f"<p>{where}</p><progress{total}></progress>"
    return _page(f"What if? {state.title}", body, head='<meta http-equiv="refresh" content="1">')


def _page(title: str, body: str, head: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">{head}'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{escape(title)}</h1>{body}<p><a href="{PREFIX}">Other reports</a> · '
        '<a href="/">All pages</a></p></body></html>\n'
    )


def _field(parameter: ReportParameter, given: str | None, shops: list[str]) -> str:
    """Return the label and the input of a parameter."""
    name, text = escape(parameter.name), as_text(parameter.default) if given is None else given
    control = _choice(parameter, text, shops) or _input(parameter, text)
    return f"<label>{name}<small>{escape(parameter.help)}</small>{control}</label>"


def _choice(parameter: ReportParameter, text: str, shops: list[str]) -> str:
    """Return a list to choose from, for shops and booleans; '' for others."""
    is_shop = parameter.name == "shop" and bool(shops)
    if not is_shop and (parameter.kind != "bool" or parameter.many):
        return ""
    values = shops if is_shop else ["true", "false", *(["null"] if parameter.optional else [])]
    options = "".join(
        f"<option{' selected' if value == text else ''}>{escape(value)}</option>"
        for value in values
    )
    return f'<select name="{escape(parameter.name)}">{options}</select>'


def _input(parameter: ReportParameter, text: str) -> str:
    """Return an input; the browser checks ranges and days before d1lab does."""
    attributes: dict[str, Any] = {"name": parameter.name, "type": "text", "value": text}
    is_single = not parameter.many
    if is_single and parameter.kind == "date":
        attributes |= {"type": "date", "value": "" if text == "null" else text}
    elif is_single and parameter.kind in ("integer", "number") and not parameter.optional:
        attributes |= {"type": "number", "step": "1" if parameter.kind == "integer" else "any"}
        if limits := range_of(parameter.name, parameter.help):
            attributes |= {"min": limits.least}
            attributes |= {"max": limits.most} if limits.most is not None else {}
    written = "".join(f' {key}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<input{written}>"
