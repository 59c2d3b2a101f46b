"""What is said of the app's own counters: what they tell, what they cannot, and what is missing."""

MISSING = (
    "no order events are recorded for {shop} in the {days} days to {until}: this is told from the "
    "app's own counters. `d1lab ingest orders FILE` brings orders from an export, `d1lab track "
    "FILE` brings events; the report then answers the rest, too."
)
NOTHING = (
    "nothing is recorded for {shop} in the {days} days to {until}: neither order events nor the "
    "app's counters of {counted}. `d1lab ingest orders FILE` brings orders from an export, "
    "`d1lab track FILE` brings events."
)
NO_DISCOUNT = "no discount was used in {shop} in the {days} days to {until}"
NO_SALE = "no sale of {shop} is recorded in the {days} days to {until}"

TOTALS = (
    "Totals {since}, as they stand now: the app does not keep them by day, so they are not of the "
    "report's days alone. Customers are counted by discount and product, and one may have bought "
    "several: the largest count is shown, the least that there were."
)
COUNTED = (
    "The app keeps totals, and does not say since when. How demand answers to price is not known: "
    "that takes prices and units by week."
)
NO_TREND = "daily_discount_stats holds nothing of these days: uses by day are not known."
NO_TOTALS = "discount_analytics holds nothing: which discounts and products is not known."
BOUNDS = (
    "between {low:,.0f}, on the busiest day, and {high:,.0f}, the days' sum: who comes on two days "
    "counts twice there"
)
NOTES = {
    "discounts": "those whose last use lies in these days",
    "skus": "those whose last use with a discount lies in these days",
}
UNTOLD = {
    "uses": "daily_discount_stats holds nothing of these days",
    "revenue_impact": "daily_discount_stats holds nothing of these days",
    "discounts": "the app keeps the last use alone, and that is unknown or later",
    "skus": "the app keeps the last use alone, and that is unknown or later",
    "customers": "daily_discount_stats holds no customers of these days",
}

OF_DISCOUNTS = (
    ("Savings of these days, and per day", "each order line's day and discount"),
    ("Customers of these days", "who bought: customers of single days do not add up"),
    ("Observed lift, and whether a discount pays", "weeks with and without it, by product"),
    ("New and returning customers", "each customer's orders"),
    ("Stacked discounts", "which lines make one order"),
    ("Codes that leak", "which customers used which code"),
    ("Margins", "order lines, and unit costs (d1lab ingest costs FILE)"),
    ("What would have come anyway", "how demand answers to price, from order lines"),
)
OF_PRODUCTS = (
    ("Elasticity: how demand answers to price", "prices and units by week, from order lines"),
    ("Sales of a period", "the day of each sale: the app keeps totals alone"),
    ("Margins", "order lines, and unit costs (d1lab ingest costs FILE)"),
    ("What refunds took back", "refunds as events: totals do not show them"),
)
