"""Hostile text on pages, in a real browser, with the content policy and without it.

Nothing of it may run, be requested, or become markup.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from validation.chaos.tally import Outcome

if TYPE_CHECKING:
    from playwright.sync_api import Page

MARK = "window.hacked"
_OPENINGS = ("", "</script>", "</style>", "</title>", "</textarea>", "-->", '">', "'>", "`", "]]>")
_PAYLOADS = (
    f"<script>{MARK}=1</script>",
    f"<img src=x onerror={MARK}=1>",
    f"<svg onload={MARK}=1>",
    f"<svg><script>{MARK}=1</script></svg>",
    f"<iframe srcdoc='<script>parent.{MARK.removeprefix('window.')}=1</script>'></iframe>",
    f"<a href=javascript:{MARK}=1 id=hostile>x</a>",
    f"[x](javascript:{MARK}=1)",
    f"![x](x){{onerror={MARK}=1}}",
    f"<details open ontoggle={MARK}=1>x</details>",
    f"<input autofocus onfocus={MARK}=1>",
    f"<style>*{{background:url('javascript:{MARK}=1')}}</style>",
    f"<math><mtext></mtext><script>{MARK}=1</script></math>",
    f"<base href=//example.invalid/><script src=x></script>{MARK}",
    f"<meta http-equiv=refresh content='0;javascript:{MARK}=1'>",
    f"<object data='data:text/html,<script>{MARK}=1</script>'></object>",
    f"{{{{constructor.constructor('{MARK}=1')()}}}}",
    f"=HYPERLINK(\"javascript:{MARK}=1\")",
    f"&lt;script&gt;{MARK}=1&lt;/script&gt;",
    f"\u202e<script>{MARK}=1</script>",
    f"<!--<img src='--><img src=x onerror={MARK}=1>'",
)  # fmt: skip
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def strings(number: int, seed: int) -> list[str]:
    """Hostile texts, each once."""
    drawn = random.Random(seed)
    every = [opening + payload for opening in _OPENINGS for payload in _PAYLOADS]
    every += [payload.upper() for payload in _PAYLOADS]
    every += ["<" + payload for payload in _PAYLOADS] + [payload * 2 for payload in _PAYLOADS]
    return drawn.sample(every, min(number, len(every)))


def attempts(texts: Sequence[str], browser: Page, folder: Path) -> Iterator[Outcome]:
    """Show texts, ten on a page, with the policy and without it.

    Args:
        texts: As many as fill pages: 10, 20, ...
        browser: An open page.
        folder: For the runs and their pages.
    """
    for start in range(0, len(texts), 10):
        some = texts[start : start + 10]
        html = _page(some, folder / f"run{start}")
        for policy, content in (("policy on", html), ("policy off", _POLICY.sub("", html))):
            assert (policy == "policy on") == bool(_POLICY.search(content))
            yield from seen(some, policy, content, browser, folder)


def _page(texts: Sequence[str], run_dir: Path) -> str:
    """A page that holds texts wherever a merchant's or a notebook's data can stand."""
    from d1lab.pages.page import render_page
    from tests.support.sample_run import hostile_cells, write_run

    cells = []
    for text in texts:
        shown = hostile_cells(text)
        cells += shown if text == texts[0] else shown[:4] + shown[5:]  # two charts are enough
    names = {"shop": texts[0], "title": texts[1], "reason": texts[2]}
    return render_page(write_run(run_dir, cells, **names))


def seen(
    texts: Sequence[str], policy: str, content: str, browser: Page, folder: Path
) -> Iterator[Outcome]:
    """Open a page that shows texts; an outcome for each."""
    path = folder / "page.html"
    path.write_text(content, encoding="utf-8")
    asked: list[str] = []
    browser.on("request", lambda request: asked.append(request.url))
    browser.goto(path.as_uri())
    for link in browser.locator("a[href^='javascript:' i]").all():
        link.dispatch_event("click")
    is_hacked = browser.evaluate(f"{MARK} !== undefined")
    outside = [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    made = browser.evaluate("document.querySelectorAll('[onerror],[onload],iframe,object').length")
    broken = bool(is_hacked or outside or made)
    for text in texts:
        yield Outcome(f"{policy}: {text[:60]!r}", wrong=broken)
