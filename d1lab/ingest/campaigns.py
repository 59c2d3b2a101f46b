"""Group single-use codes with individual endings into campaigns.

WELCOME-X7K2P and WELCOME-9QD4T are used once each, so statistics by code are meaningless.
Families of such codes are detected by their common prefix, or named in d1lab.toml. A detected
family is stored, and also covers codes of later and earlier files. In an event, `discount_id` is
the campaign and `discount_code` the code, as in an app that has one discount with many codes.
"""

# pyright: standard

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

FEWEST_CODES = 20  # with a common prefix: fewer can be people's names
FEWEST_BRANCHES = 8  # distinct letters and digits after the prefix
MOST_REUSED = 0.2  # share of a family's codes used in more than one order
SHORTEST_BEGINNING, SHORTEST_ENDING = 3, 4
PAGE_ROWS = 20_000  # of events that are read, and of those that are updated

_SEPARATORS = "-_ ."
_USED = """
SELECT trim(code), count(DISTINCT order_id)
FROM (SELECT order_id, unnest(string_split(discount_code, ',')) AS code FROM events)
GROUP BY ALL
"""
_OURS = "discount_id = lower(discount_code)"
_CODES = f"""
SELECT event_id, discount_code FROM order_events
WHERE shop = ?1 AND event_id > ?2 AND {_OURS} ORDER BY event_id LIMIT {PAGE_ROWS}
"""  # noqa: S608
_REFOLD = f"""
UPDATE order_events SET discount_id = folded.value
FROM json_each(?2) AS folded
WHERE shop = ?1 AND event_id = folded.key AND {_OURS}
"""  # noqa: S608


class Family(NamedTuple):
    """Codes that count as one campaign."""

    campaign: str
    pattern: str  # with one *, such as WELCOME*
    fewest: int = 0  # minimum length of the * part, so that WELCOME10 does not match WELCOME*

    def has(self, code: str) -> bool:
        """Whether a code belongs to the family."""
        parts = map(re.escape, self.pattern.split("*"))
        ending = rf"[{re.escape(_SEPARATORS)}]*.{{{self.fewest},}}"
        return re.fullmatch(ending.join(parts), code, re.IGNORECASE) is not None


def named(settings: Mapping[str, str | Sequence[str]]) -> list[Family]:
    """Return the families named in d1lab.toml."""
    return [
        Family(campaign, pattern)
        for campaign, patterns in settings.items()
        for pattern in ([patterns] if isinstance(patterns, str) else patterns)
    ]


def found_in(used: Mapping[str, int]) -> list[Family]:
    """Detect families among codes, given the number of orders that used each code.

    A family's prefix is the shortest one that is followed by many different characters.

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
    """Return the discount of a code, or of several codes separated by commas.

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
    """Set `discount_id` to the campaign in `events` and in D1; return the codes by campaign.

    Args:
        con: The connection with `events`.
        db: The database; None for a dry run.
        shop: The shop.
        settings: Patterns by campaign from d1lab.toml; they take precedence.
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
    """Store the families, and update the events in D1 with their codes."""
    columns = ("shop", "campaign", "pattern", "fewest")
    upsert(db, catalog.CAMPAIGNS, ("shop", "pattern"), columns, [(shop, *one) for one in fresh])
    after = ""
    while rows := db.query(_CODES, (shop, after), table="order_events").rows:
        codes = {str(event): str(code) for event, code in rows}
        folds = _changed({*codes.values()}, families)
        if changed := {event: folds[code] for event, code in codes.items() if code in folds}:
            text = orjson.dumps(changed).decode()
            db.execute(_REFOLD, (shop, text), table="order_events", idempotent=True)
        after = str(rows[-1][0])
