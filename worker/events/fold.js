// The SQL of the fold: what one D1 batch adds to the counters.
//
// d1lab_folds has one row for each table whose counters are folded: every event up to `seq` is in
// them. A statement below adds the events above it, and the last one moves the mark, all in one
// batch: D1 runs it whole or not at all, and one at a time. So an event counts once, however often
// its message is delivered, and whichever consumer comes first. `d1lab aggregate` sets the state
// to 'paused' while it counts again; a fold that finds no row in the state 'on' adds nothing.
//
// Each figure means what the header of its file in d1lab/ingest/aggregates says. Rules that keep
// them the same:
//   - a distinct customer is counted with his first event of the group, by seq: the index
//     order_events_customer makes that a look at his own events;
//   - customer_insights is counted again for the customers at hand, from all their events;
//   - amounts are summed in millionths, as integers, so that no sum drifts.

export const AT_MOST = 5_000; // events that one batch folds; a backlog takes several

const upto = (table) =>
  `(SELECT seq + ${AT_MOST} FROM d1lab_folds WHERE table_name = '${table}' AND state = 'on')`;
const after = (table) =>
  `(SELECT seq FROM d1lab_folds WHERE table_name = '${table}' AND state = 'on')`;
const fresh = (table) => `e.seq > ${after(table)} AND e.seq <= ${upto(table)} AND ${past("e")}`;
// times to come are left out, as in d1lab's views
const past = (row) => `datetime(${row}.occurred_at) <= datetime('now', '+1 day')`;

const millionths = (amount) => `CAST(round(${amount} * 1000000) AS INTEGER)`;
const amount = (sum) => `round((${sum}) / 1000000.0, 6)`;
const units = (sum) => `CAST(round((${sum}) / 1000000.0) AS INTEGER)`;
const kept = (column) => millionths(`coalesce(old.${column}, 0)`);
const net = (row, column) =>
  `CASE ${row}.type WHEN 'refund' THEN -${millionths(`${row}.${column}`)}` +
  ` ELSE ${millionths(`${row}.${column}`)} END`;
const cents = (micros) =>
  `CASE WHEN ${micros} < 0 THEN -((5000 - ${micros}) / 10000) ELSE (${micros} + 5000) / 10000 END`;

// The shop's own day of a moment: the offset of its zone at that time, else the default's, else UTC.
const since = (shop, at) =>
  `(SELECT o.seconds FROM d1lab_offsets AS o WHERE o.shop = ${shop} AND o.starts_at <= ${at}` +
  " ORDER BY o.starts_at DESC LIMIT 1)";
export const dayOf = (shop, at) =>
  `date(${at}, coalesce(${since(shop, at)}, ${since("''", at)}, 0) || ' seconds')`;

const replaced = (columns) => columns.map((name) => `${name} = excluded.${name}`).join(", ");
const insert = (table, key, columns, body) =>
  `${body} ON CONFLICT (${key.join(", ")}) DO UPDATE SET ${replaced(columns)}`.replace(
    "INSERT", `INSERT INTO ${table} (${[...key, ...columns].join(", ")})`,
  );

// The fold stops until `d1lab aggregate` has counted again if a counted event was corrected or
// deleted, because it cannot take that back; and where the counters are the app's (again).
const STOP = `
  UPDATE d1lab_folds SET state = 'stopped', since = datetime('now')
  WHERE state = 'on' AND (
    EXISTS (
      SELECT 1 FROM d1lab_changes AS c
      WHERE c.seq > d1lab_folds.changes AND c.table_name = 'order_events'
        AND c.row_id <= d1lab_folds.seq)
    OR table_name <> 'd1lab_sku_days' AND NOT EXISTS (
      SELECT 1 FROM d1lab_owned AS o
      WHERE o.table_name = d1lab_folds.table_name AND o.part = 'counters' AND o.how <> 'left'))`;

const ADVANCE = `
  UPDATE d1lab_folds SET seq = min(seq + ${AT_MOST}, (SELECT max(seq) FROM order_events))
  WHERE state = 'on' AND seq < (SELECT max(seq) FROM order_events)`;

const DAYS = insert(
  "daily_discount_stats", ["shop", "date"],
  ["total_discounts_used", "total_revenue_impact", "unique_customers"], `
  WITH lines AS MATERIALIZED (
    SELECT e.shop, ${dayOf("e.shop", "datetime(e.occurred_at)")} AS day, e.type, e.customer_id,
      ${net("e", "revenue")} AS revenue
    FROM order_events AS e
    WHERE ${fresh("daily_discount_stats")} AND e.discount_id IS NOT NULL
  ),
  buyers AS MATERIALIZED (
    SELECT DISTINCT shop, customer_id FROM lines
    WHERE type = 'order' AND customer_id IS NOT NULL
  ),
  firsts AS (
    SELECT b.shop, ${dayOf("b.shop", "datetime(h.occurred_at)")} AS day
    FROM buyers AS b
    CROSS JOIN order_events AS h ON h.shop = b.shop AND h.customer_id = b.customer_id
    WHERE h.type = 'order' AND h.discount_id IS NOT NULL
      AND h.seq <= ${upto("daily_discount_stats")} AND ${past("h")}
    GROUP BY b.shop, day, b.customer_id
    HAVING min(h.seq) > ${after("daily_discount_stats")}
  ),
  new_customers AS (SELECT shop, day, count(*) AS customers FROM firsts GROUP BY shop, day),
  days AS (
    SELECT shop, day, sum(type = 'order') AS uses, sum(revenue) AS revenue
    FROM lines GROUP BY shop, day
  )
  INSERT SELECT days.shop, days.day, coalesce(old.total_discounts_used, 0) + days.uses,
    ${amount(`${kept("total_revenue_impact")} + days.revenue`)},
    coalesce(old.unique_customers, 0) + coalesce(new_customers.customers, 0)
  FROM days
  LEFT JOIN new_customers ON new_customers.shop = days.shop AND new_customers.day = days.day
  LEFT JOIN daily_discount_stats AS old ON old.shop = days.shop AND old.date = days.day
  WHERE true`,
);

// The latest code among the fresh lines replaces the stored one if it is later than every use so far.
const DISCOUNTS = insert(
  "discount_analytics", ["shop", "discount_id", "sku"],
  [
    "discount_code", "times_used", "unique_customers", "repeat_usage_count",
    "revenue_before_discount", "discount_amount", "revenue_after_discount", "first_used_at",
    "last_used_at",
  ], `
  WITH lines AS MATERIALIZED (
    SELECT e.shop, e.discount_id, e.sku, e.type, e.customer_id, e.discount_code, e.event_id,
      datetime(e.occurred_at) AS at, ${net("e", "revenue")} AS revenue,
      ${net("e", "discount_amount")} AS discount
    FROM order_events AS e
    WHERE ${fresh("discount_analytics")} AND e.discount_id IS NOT NULL
  ),
  buyers AS MATERIALIZED (
    SELECT DISTINCT shop, customer_id FROM lines
    WHERE type = 'order' AND customer_id IS NOT NULL
  ),
  firsts AS (
    SELECT b.shop, h.discount_id, h.sku
    FROM buyers AS b
    CROSS JOIN order_events AS h ON h.shop = b.shop AND h.customer_id = b.customer_id
    WHERE h.type = 'order' AND h.discount_id IS NOT NULL
      AND h.seq <= ${upto("discount_analytics")} AND ${past("h")}
    GROUP BY b.shop, h.discount_id, h.sku, b.customer_id
    HAVING min(h.seq) > ${after("discount_analytics")}
  ),
  new_customers AS (
    SELECT shop, discount_id, sku, count(*) AS customers FROM firsts
    GROUP BY shop, discount_id, sku
  ),
  codes AS ( -- SQLite takes the other columns from the row that has the maximum
    SELECT shop, discount_id, sku, discount_code, at, max(at || event_id) FROM lines
    WHERE type = 'order' AND discount_code IS NOT NULL GROUP BY shop, discount_id, sku
  ),
  pairs AS (
    SELECT shop, discount_id, sku, sum(type = 'order') AS uses, sum(revenue) AS revenue,
      sum(discount) AS discount, sum(type = 'order' AND customer_id IS NOT NULL) AS identified,
      min(CASE type WHEN 'order' THEN at END) AS first_at,
      max(CASE type WHEN 'order' THEN at END) AS last_at
    FROM lines GROUP BY shop, discount_id, sku
  )
  INSERT SELECT p.shop, p.discount_id, p.sku,
    CASE WHEN old.discount_code IS NULL OR codes.at > old.last_used_at
      THEN coalesce(codes.discount_code, old.discount_code) ELSE old.discount_code END,
    coalesce(old.times_used, 0) + p.uses,
    coalesce(old.unique_customers, 0) + coalesce(n.customers, 0),
    coalesce(old.repeat_usage_count, 0) + p.identified - coalesce(n.customers, 0),
    ${amount(`${kept("revenue_before_discount")} + p.revenue + p.discount`)},
    ${amount(`${kept("discount_amount")} + p.discount`)},
    ${amount(`${kept("revenue_after_discount")} + p.revenue`)},
    min(coalesce(old.first_used_at, p.first_at), coalesce(p.first_at, old.first_used_at)),
    max(coalesce(old.last_used_at, p.last_at), coalesce(p.last_at, old.last_used_at))
  FROM pairs AS p
  LEFT JOIN codes USING (shop, discount_id, sku)
  LEFT JOIN new_customers AS n USING (shop, discount_id, sku)
  LEFT JOIN discount_analytics AS old
    ON old.shop = p.shop AND old.discount_id = p.discount_id AND old.sku = p.sku
  WHERE true`,
);

const split = (column, isDiscounted) =>
  `coalesce(sum(CASE WHEN e.discount_id IS ${isDiscounted ? "NOT " : ""}NULL` +
  ` THEN ${net("e", column)} END), 0)`;

const PRODUCTS = insert(
  "product_performance", ["shop", "sku"],
  [
    "product_title", "units_sold_with_discount", "units_sold_without_discount",
    "total_discount_given", "revenue_with_discount", "revenue_without_discount", "updated_at",
  ], `
  WITH titles AS (
    SELECT e.shop, e.sku, e.product_title, datetime(e.occurred_at) AS at,
      max(datetime(e.occurred_at) || e.event_id)
    FROM order_events AS e
    WHERE ${fresh("product_performance")} AND e.product_title IS NOT NULL
    GROUP BY e.shop, e.sku
  ),
  skus AS (
    SELECT e.shop, e.sku, max(datetime(e.occurred_at)) AS at,
      ${split("quantity", true)} AS units_with, ${split("quantity", false)} AS units_without,
      ${split("discount_amount", true)} AS discount,
      ${split("revenue", true)} AS revenue_with, ${split("revenue", false)} AS revenue_without
    FROM order_events AS e
    WHERE ${fresh("product_performance")}
    GROUP BY e.shop, e.sku
  )
  INSERT SELECT s.shop, s.sku,
    CASE WHEN old.product_title IS NULL OR titles.at > old.updated_at
      THEN coalesce(titles.product_title, old.product_title) ELSE old.product_title END,
    ${units(`${kept("units_sold_with_discount")} + s.units_with`)},
    ${units(`${kept("units_sold_without_discount")} + s.units_without`)},
    ${amount(`${kept("total_discount_given")} + s.discount`)},
    ${amount(`${kept("revenue_with_discount")} + s.revenue_with`)},
    ${amount(`${kept("revenue_without_discount")} + s.revenue_without`)},
    max(coalesce(old.updated_at, s.at), s.at)
  FROM skus AS s
  LEFT JOIN titles USING (shop, sku)
  LEFT JOIN product_performance AS old ON old.shop = s.shop AND old.sku = s.sku
  WHERE true`,
);

// Rounded as the recount rounds: to a millionth, then half a cent away from zero.
const AVERAGE = "CAST(round(c.revenue * 1.0 / nullif(c.orders, 0)) AS INTEGER)";

const CUSTOMERS = insert(
  "customer_insights", ["shop", "customer_id"],
  [
    "total_discounts_used", "total_savings", "favorite_discount_type", "avg_order_value",
    "purchase_frequency", "last_purchase_date",
  ], `
  WITH touched AS MATERIALIZED (
    SELECT DISTINCT e.shop, e.customer_id FROM order_events AS e
    WHERE ${fresh("customer_insights")} AND e.customer_id IS NOT NULL
  ),
  lines AS MATERIALIZED (
    SELECT h.shop, h.customer_id, h.type, h.order_id, h.discount_id, h.discount_type,
      ${dayOf("h.shop", "datetime(h.occurred_at)")} AS day,
      ${net("h", "revenue")} AS revenue, ${net("h", "discount_amount")} AS discount
    FROM touched
    CROSS JOIN order_events AS h
      ON h.shop = touched.shop AND h.customer_id = touched.customer_id
    WHERE h.seq <= ${upto("customer_insights")} AND ${past("h")}
  ),
  types AS (
    SELECT shop, customer_id, discount_type, count(*) AS uses FROM lines
    WHERE type = 'order' AND discount_id IS NOT NULL AND discount_type IS NOT NULL
    GROUP BY shop, customer_id, discount_type
  ),
  favorites AS (
    SELECT shop, customer_id, discount_type,
      min(printf('%015d', 999999999999999 - uses) || discount_type)
    FROM types GROUP BY shop, customer_id
  ),
  customers AS (
    SELECT shop, customer_id, sum(type = 'order' AND discount_id IS NOT NULL) AS uses,
      coalesce(sum(CASE WHEN discount_id IS NOT NULL THEN discount END), 0) AS savings,
      sum(revenue) AS revenue, count(DISTINCT CASE type WHEN 'order' THEN order_id END) AS orders,
      max(CASE type WHEN 'order' THEN day END) AS last_day
    FROM lines GROUP BY shop, customer_id
  )
  INSERT SELECT c.shop, c.customer_id, c.uses, ${amount("c.savings")},
    favorites.discount_type, (${cents(AVERAGE)}) / 100.0, c.orders, c.last_day
  FROM customers AS c LEFT JOIN favorites USING (shop, customer_id)
  WHERE true`,
);

const SKU_DAYS = insert(
  "d1lab_sku_days", ["shop", "sku", "date"], ["order_lines"], `
  WITH days AS (
    SELECT e.shop, e.sku, ${dayOf("e.shop", "datetime(e.occurred_at)")} AS date,
      count(*) AS order_lines
    FROM order_events AS e
    WHERE ${fresh("d1lab_sku_days")} AND e.type = 'order'
    GROUP BY e.shop, e.sku, 3
  )
  INSERT SELECT d.shop, d.sku, d.date, coalesce(old.order_lines, 0) + d.order_lines
  FROM days AS d LEFT JOIN d1lab_sku_days AS old USING (shop, sku, date)
  WHERE true`,
);

export const FOLD = [STOP, DISCOUNTS, DAYS, PRODUCTS, CUSTOMERS, SKU_DAYS, ADVANCE];
