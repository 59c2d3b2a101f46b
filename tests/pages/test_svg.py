"""Static charts: plain SVG, no requests, and one packed script."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import xml.etree.ElementTree as ET
from base64 import b64decode
from pathlib import Path

import pytest

from d1lab.charts.plain_svg import live_spec
from d1lab.pages.svg import bundle, csp_hash, draw, pack

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
BARS = {
    "$schema": SCHEMA,
    "title": "T",
    "width": "container",
    "data": {"values": [{"a": "</text><script>x()</script>", "b": 1.23456789}]},
    "mark": {"type": "bar", "clip": True},
    "encoding": {"x": {"field": "b", "type": "quantitative"}, "y": {"field": "a"}},
}


def test_picture_is_shapes_and_text_only():
    """Scripts, handlers, links, styles, and external references are removed."""
    root = ET.fromstring(draw(BARS, "c1-"))
    tags = {element.tag for element in root.iter()}
    assert tags <= {"svg", "g", "path", "line", "rect", "text", "defs", "clipPath", "circle"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not {
        name for name in names if name.startswith(("on", "href", "style", "class", "xmlns"))
    }


def test_pictures_do_not_share_ids():
    """Clip paths of two charts have different ids."""
    one, other = draw(BARS, "one-"), draw(BARS, "other-")
    assert 'id="one-clip' in one
    assert "url(#one-clip" in one
    assert "one-" not in other


def test_pictures_are_small():
    """Two hundred points take less than 20 kB."""
    values = [{"a": i * 0.777, "b": (i * 37 % 101) / 3} for i in range(200)]
    encoding = {n: {"field": f, "type": "quantitative"} for n, f in (("x", "a"), ("y", "b"))}
    spec = {"$schema": SCHEMA, "data": {"values": values}, "mark": "circle", "encoding": encoding}
    picture = draw(spec, "p-")
    assert picture.count("<circle") == 200
    assert len(picture) < 20_000


def test_nothing_is_fetched():
    """A specification with external data is rejected without a request."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/x.json"
        with pytest.raises(ValueError, match="not allowed"):
            draw({**BARS, "data": {"url": url}}, "c-")
        mark = {"mark": "image", "encoding": {"url": {"value": url}}}
        assert "127.0.0.1" not in draw({**BARS, **mark}, "c-")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == []


def test_live_specification_leaves_the_words_to_the_page():
    """Title and numbers are in the HTML; the width adapts to the page."""
    spec = live_spec({**BARS, "usermeta": {"embedOptions": {"actions": True}}})
    assert "title" not in spec
    assert "usermeta" not in spec
    assert spec["autosize"] == {"type": "fit-x", "contains": "padding"}


def test_bundle_is_made_once_and_admitted_by_its_hash(tmp_path: Path):
    """The cached script has the hash of the policy."""
    bundle.cache_clear()
    made = bundle(tmp_path)
    source = gzip.decompress(b64decode(made.packed)).decode()
    assert csp_hash(source) == made.csp_hash
    assert source.startswith("(function(){")
    (kept,) = tmp_path.glob("vega-*.json")
    kept.write_text(json.dumps({"packed": "kept", "csp_hash": "'sha256-x'"}))
    bundle.cache_clear()
    assert bundle(tmp_path).packed == "kept"
    bundle.cache_clear()


def test_packing_is_reproducible():
    """Compression is deterministic, so that pages can be compared."""
    assert pack("x" * 1_000) == pack("x" * 1_000)
    assert gzip.decompress(b64decode(pack("ü"))).decode() == "ü"
