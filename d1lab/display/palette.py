"""Colors of pages, charts, and notebooks, in light and dark."""

from __future__ import annotations

PALETTE: dict[str, tuple[str, str]] = {  # name: (light, dark)
    "paper": ("#fdfcfa", "#141618"),
    "raised": ("#f4f2ec", "#1f2123"),
    "ink": ("#1a1d20", "#eceae5"),
    "muted": ("#52565a", "#b6b4ae"),
    "line": ("#d9d6cf", "#3a3e42"),
    "accent": ("#0b5d66", "#70c8cf"),
    "grey": ("#777b7e", "#8d9194"),
    "ochre": ("#a9691b", "#d9a35c"),
    "plum": ("#7d4a78", "#c699c1"),
    "slate": ("#566f88", "#93acc4"),
    "bad": ("#a8321c", "#ff9a82"),
}
"""All colors. Text and marks have WCAG AA contrast on `paper` in both schemes."""
