"""Pictures for docs/images/ and the README, of the reports that are there: `make images`.

Each report of one shop and the index, as a desk shows them and as a phone does; and readme.png,
the phone beside the desk. Offline, in the light scheme, with the Chromium on this machine.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.config import load_settings
from d1lab.errors import D1labError, InputError
from d1lab.pages.export import BROWSERS, find_chromium
from d1lab.pages.index import INDEX
from d1lab.pages.storage import LATEST

IMAGES = Path(__file__).with_name("images")
DATABASE, SHOP = "demo", "harbor"
LEAD = "overview"  # the report on readme.png
HEIGHT = 1200  # of a picture at most, in CSS pixels


class Screen(NamedTuple):
    """A kind of screen; `name` ends the picture's file name."""

    name: str
    width: int
    height: int


DESK = Screen("", 1180, 900)
PHONE = Screen("-phone", 390, 844)

_README = """\
<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; height: 1140px; display: flex; gap: 34px; align-items: center;
  justify-content: center; background: #e9e7e2; }}
img {{ object-fit: none; object-position: left top; box-shadow: 0 6px 24px #0003; }}
.desk {{ width: 940px; height: 1080px; border-radius: 12px; }}
.phone {{ width: 390px; height: 844px; border: 9px solid #2b2b2b; border-radius: 34px; }}
</style>
<img class="desk" src="data:image/png;base64,{desk}">
<img class="phone" src="data:image/png;base64,{phone}">
"""


def main() -> None:
    """Make all pictures and say how big they are."""
    reports_dir = load_settings().reports_dir
    pages = {
        "index": reports_dir / INDEX,
        **{
            path.parent.name: path
            for path in sorted(reports_dir.glob(f"{DATABASE}/{SHOP}/*/{LATEST}"))
        },
    }
    if LEAD not in pages or not pages["index"].is_file():
        raise InputError(f"{reports_dir} lacks report {LEAD!r} of shop {SHOP!r}: run `d1lab run`")
    IMAGES.mkdir(exist_ok=True)
    with _browser() as browser:
        for name, page in pages.items():
            for screen in (DESK, PHONE):
                _take(browser, page, screen, IMAGES / f"{name}{screen.name}.png")
        _combine(browser, IMAGES / "readme.png")
    for path in sorted(IMAGES.glob("*.png")):
        print(f"{path.stat().st_size // 1000:>6,} kB  {path.name}")


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    if path is None:
        raise InputError(f"pictures take one of {', '.join(BROWSERS)} on PATH, and none is")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def _take(browser: Any, page: Path, screen: Screen, image: Path) -> None:
    """Picture the top of a page, once its charts are live."""
    size = {"width": screen.width, "height": screen.height}
    context = browser.new_context(viewport=size, color_scheme="light", offline=True)
    opened = context.new_page()
    opened.goto(page.as_uri())
    if 'id="specs"' in page.read_text(encoding="utf-8"):
        opened.wait_for_function("document.documentElement.dataset.charts === 'live'")
    height = min(HEIGHT, opened.evaluate("document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": screen.width, "height": height}
    opened.screenshot(path=image, full_page=True, clip=clip)
    context.close()


def _combine(browser: Any, image: Path) -> None:
    """The leading report, phone beside desk, as one picture."""
    desk, phone = (
        b64encode((IMAGES / f"{LEAD}{screen.name}.png").read_bytes()).decode()
        for screen in (DESK, PHONE)
    )
    page = browser.new_page(viewport={"width": 1460, "height": 1140})
    page.set_content(_README.format(desk=desk, phone=phone))
    page.screenshot(path=image)


if __name__ == "__main__":
    try:
        main()
    except D1labError as error:
        sys.exit(f"error: {error}")
