"""Codes with an ending of their own, one for each customer, counted as the campaign they belong to.

WELCOME-X7K2P and WELCOME-9QD4T are used once each: by code, nothing can be said of the campaign.
Such families are found by their beginning, or named in d1lab.toml; a family that was found stays,
and takes in codes of later and of earlier files. Of an event, `discount_id` names the campaign and
`discount_code` the code, as an app does that has one discount with many codes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb
import orjson
import pyarrow as pa

from d1lab import catalog
from d1lab.d1.database import Database
from d1lab.d1.write import upsert

FEWEST_CODES = 20  # that begin alike: fewer may be people's names
FEWEST_BRANCHES = 8  # letters and digits that follow the beginning
MOST_REUSED = 0.2  # share of a family's codes that more than one order used
SHORTEST_BEGINNING, SHORTEST_ENDING = 3, 4

_SEPARATORS = "-_ ."
_USED = """
SELECT trim(code), count(DISTINCT order_id)
FROM (SELECT order_id, unnest(string_split(discount_code, ',')) AS code FROM events)
GROUP BY ALL
"""
_OURS = "discount_id = lower(discount_code)"
_KNOWN_CODES = f"SELECT DISTINCT discount_code FROM order_events WHERE shop = ?1 AND {_OURS}"  # noqa: S608
_REFOLD = f"""
UPDATE order_events SET discount_id = folded.value
FROM json_each(?2) AS folded
WHERE shop = ?1 AND discount_code = folded.key AND {_OURS} AND discount_id <> folded.value
"""  # noqa: S608


class Family(NamedTuple):
    """Codes that count as one campaign."""

    campaign: str
    pattern: str  # with one *, such as WELCOME*
    fewest: int = 0  # characters that the * stands for: WELCOME10 is none of WELCOME*'s

    def has(self, code: str) -> bool:
        """Whether a code belongs to it."""
        parts = map(re.escape, self.pattern.split("*"))
        ending = rf"[{re.escape(_SEPARATORS)}]*.{{{self.fewest},}}"
        return re.fullmatch(ending.join(parts), code, re.IGNORECASE) is not None


def named(settings: Mapping[str, str | Sequence[str]]) -> list[Family]:
    """The families that d1lab.toml names."""
    return [
        Family(campaign, pattern)
        for campaign, patterns in settings.items()
        for pattern in ([patterns] if isinstance(patterns, str) else patterns)
    ]


def found_in(used: Mapping[str, int]) -> list[Family]:
    """The families among codes, by how many orders used each.

    The beginning of a family is the shortest one after which codes go on in many ways.

    >>> found_in({f"WELCOME-{n * 7919 % 10**5:05}": 1 for n in range(40)})[0].pattern
    'WELCOME*'
    """
    families: list[Family] = []
    by_beginning: defaultdict[str, list[str]] = defaultdict(list)
    for code in sorted({code.upper() for code in used}):
        for length in range(SHORTEST_BEGINNING, len(code) - SHORTEST_ENDING + 1):
            by_beginning[code[:length]].append(code)
    orders: defaultdict[str, int] = defaultdict(int)
    for code, count in used.items():
        orders[code.upper()] += count
    for beginning in sorted(by_beginning, key=len):
        codes = by_beginning[beginning]
        is_in_one = any(family.has(codes[0]) for family in families)
        if not is_in_one and _is_family(beginning, codes, orders):
            stem = beginning.rstrip(_SEPARATORS)
            families.append(Family(f"{stem.lower()}*", f"{stem}*", SHORTEST_ENDING))
    return families


def _is_family(beginning: str, codes: Sequence[str], orders: Mapping[str, int]) -> bool:
    branches = {code[len(beginning)] for code in codes if code[len(beginning)] not in _SEPARATORS}
    reused = sum(orders[code] > 1 for code in codes)
    return (
        len(codes) >= FEWEST_CODES
        and len(branches) >= FEWEST_BRANCHES
        and reused <= MOST_REUSED * len(codes)
    )


def folded(text: str, families: Iterable[Family]) -> str:
    """The discount that a code, or several with commas between them, stand for.

    >>> folded("VIP, WELCOME-X7K2P", [Family("welcome*", "WELCOME*", 4)])
    'vip, welcome*'
    """
    some = list(families)
    parts = {_campaign(code.strip(), some) for code in text.split(",")}
    return ", ".join(sorted(parts))


def _campaign(code: str, families: Sequence[Family]) -> str:
    return next((family.campaign for family in families if family.has(code)), code.lower())


def fold_campaigns(
    con: duckdb.DuckDBPyConnection,
    db: Database | None,
    shop: str,
    settings: Mapping[str, str | Sequence[str]],
) -> dict[str, int]:
    """Let `discount_id` name the campaign, in `events` and in what D1 holds; codes by campaign.

    Args:
        con: Where `events` is.
        db: The database; None for a dry run.
        shop: The shop.
        settings: Patterns by campaign, as d1lab.toml names them; they win.
    """
    used = {str(code): int(orders) for code, orders in con.sql(_USED).fetchall() if code}
    known = _known(db, shop)
    families = [*named(settings), *known]
    rest = {code: n for code, n in used.items() if not any(one.has(code) for one in families)}
    new = found_in(rest)
    families += new
    texts = [text for (text,) in con.sql("SELECT DISTINCT discount_code FROM events").fetchall()]
    changed = _changed(filter(None, texts), families)
    if changed:
        table = {"code": list(changed), "campaign": list(changed.values())}
        con.register("campaigns", pa.table(table))
        con.execute(
            "UPDATE events SET discount_id = campaign FROM campaigns "  # noqa: S608
            f"WHERE discount_code = code AND {_OURS}"
        )
    if db and (fresh := [one for one in families if one not in known]):
        _remember(db, shop, fresh, families)
    counts: defaultdict[str, int] = defaultdict(int)
    for code in used:
        if (campaign := _campaign(code, families)) != code.lower():
            counts[campaign] += 1
    return dict(counts)


def _changed(texts: Iterable[str], families: Sequence[Family]) -> dict[str, str]:
    made = {text: folded(text, families) for text in texts}
    return {text: campaign for text, campaign in made.items() if campaign != text.lower()}


def _known(db: Database | None, shop: str) -> list[Family]:
    if db is None:
        return []
    sql = f"SELECT campaign, pattern, fewest FROM {catalog.CAMPAIGNS} WHERE shop = ?1"  # noqa: S608
    rows = db.query(sql, (shop,)).rows
    return [Family(str(name), str(pattern), int(str(fewest))) for name, pattern, fewest in rows]


def _remember(db: Database, shop: str, fresh: Sequence[Family], families: Sequence[Family]) -> None:
    """Keep the families, and let the events that D1 holds of their codes name them, too."""
    columns = ("shop", "campaign", "pattern", "fewest")
    upsert(db, catalog.CAMPAIGNS, ("shop", "pattern"), columns, [(shop, *one) for one in fresh])
    codes = [str(code) for (code,) in db.query(_KNOWN_CODES, (shop,)).rows]
    if changed := _changed(codes, families):
        text = orjson.dumps(changed).decode()
        db.execute(_REFOLD, (shop, text), table="order_events", idempotent=True)
