// The statements that write a batch of events, and what the cron does.

import { FIELDS, OLDEST_DAYS } from "./rules.js";
import { dayOf, FOLD } from "./fold.js";

export const VERSION = "1";

const NUMBERS = ["list_price", "discount_amount", "revenue", "quantity"];

const INSERT = `
  INSERT INTO order_events (${FIELDS.join(", ")})
  SELECT ${FIELDS.map((_, place) => `value ->> ${place}`).join(", ")} FROM json_each(?1)
  WHERE true ON CONFLICT (shop, event_id) DO NOTHING`;

// Views and carts have no rows of their own: counts by day, and the ids of each minute, so that a
// second delivery is recognized. The ids go when the rules reject events of that age.
const SMALL = ["shop", "event_id", "type", "sku", "occurred_at"];
const GIVEN = `
  WITH given AS (
    SELECT DISTINCT value ->> 0 AS shop, value ->> 1 AS event_id, value ->> 2 AS type,
      value ->> 3 AS sku, value ->> 4 AS at, substr(value ->> 4, 1, 16) AS minute
    FROM json_each(?1)
  ),
  minutes AS (SELECT DISTINCT shop, minute FROM given),
  known AS MATERIALIZED (
    SELECT m.shop, m.minute, ids.value AS event_id
    FROM minutes JOIN d1lab_counted_minutes AS m USING (shop, minute), json_each(m.event_ids) AS ids
  ),
  fresh AS MATERIALIZED (
    SELECT shop, event_id, max(type) AS type, max(sku) AS sku, max(at) AS at, minute FROM given
    WHERE (shop, minute, event_id) NOT IN (SELECT shop, minute, event_id FROM known)
    GROUP BY shop, minute, event_id
  )`;
const COUNT_SMALL = `${GIVEN}
  INSERT INTO d1lab_sku_days (shop, sku, date, views, carts)
  SELECT shop, sku, ${dayOf("fresh.shop", "at")}, sum(type = 'view'), sum(type = 'cart')
  FROM fresh WHERE true GROUP BY 1, 2, 3
  ON CONFLICT (shop, sku, date) DO UPDATE SET
    views = views + excluded.views, carts = carts + excluded.carts`;
const REMEMBER_SMALL = `${GIVEN}
  INSERT INTO d1lab_counted_minutes (shop, minute, event_ids)
  SELECT shop, minute, json_group_array(event_id) FROM (
    SELECT shop, minute, event_id FROM fresh
    UNION ALL
    SELECT known.shop, known.minute, known.event_id FROM known
    JOIN (SELECT DISTINCT shop, minute FROM fresh) USING (shop, minute)
  ) WHERE true GROUP BY shop, minute
  ON CONFLICT (shop, minute) DO UPDATE SET event_ids = excluded.event_ids`;

const REJECT = `
  INSERT INTO d1lab_rejected_events (reason, body, rejected_at)
  SELECT value ->> 0, value ->> 1, datetime('now') FROM json_each(?1)`;

const FORGET =
  `DELETE FROM d1lab_counted_minutes WHERE minute < datetime('now', '-${OLDEST_DAYS + 1} days')`;
const ON_DUTY = `
  INSERT INTO d1lab_workers (name, version, seen_at) VALUES ('events', ?1, datetime('now'))
  ON CONFLICT (name) DO UPDATE SET version = excluded.version, seen_at = excluded.seen_at`;

// The rates of the days with views (or carts) among the last 30. More order lines than views means
// that not all of them are tracked: then there is no rate.
const rate = (column, value, whole) => `
  UPDATE product_performance SET ${column} = found.rate
  FROM (
    SELECT shop, sku, CASE WHEN sum(${whole}) >= sum(order_lines) THEN round(${value}, 2) END AS rate
    FROM d1lab_sku_days WHERE date >= date('now', '-30 days') AND ${whole} > 0 GROUP BY shop, sku
  ) AS found
  WHERE product_performance.shop = found.shop AND product_performance.sku = found.sku
    AND product_performance.${column} IS NOT found.rate
    AND EXISTS (
      SELECT 1 FROM d1lab_owned
      WHERE table_name = 'product_performance' AND part = '${column}' AND how <> 'left')`;
const RATES = [
  rate("view_to_purchase_rate", "100.0 * sum(order_lines) / sum(views)", "views"),
  rate("cart_abandonment_rate", "100.0 * (sum(carts) - sum(order_lines)) / sum(carts)", "carts"),
];

const json = (events, fields) =>
  JSON.stringify(events.map((event) => fields.map((name) => event[name] ?? null)));
export const isSmall = (event) => event.type === "view" || event.type === "cart";
const withNumbers = (event) =>
  NUMBERS.every((name) => event[name] === null || Number.isFinite(event[name]));

// The statements of one D1 batch that writes these events and folds them.
export function statements(db, events) {
  const lines = events.filter((event) => !isSmall(event) && withNumbers(event));
  const small = events.filter(isSmall);
  return [
    ...(lines.length ? [db.prepare(INSERT).bind(json(lines, FIELDS))] : []),
    ...(lines.length ? FOLD.map((sql) => db.prepare(sql)) : []),
    ...(small.length
      ? [COUNT_SMALL, REMEMBER_SMALL].map((sql) => db.prepare(sql).bind(json(small, SMALL)))
      : []),
  ];
}

export function rejection(db, rejected) {
  const rows = rejected.map(({ reason, body }) => [reason, (JSON.stringify(body) ?? "").slice(0, 10_000)]);
  return db.prepare(REJECT).bind(JSON.stringify(rows));
}

export const foldOnly = (db) => FOLD.map((sql) => db.prepare(sql));
export const chores = (db) => [
  db.prepare(FORGET),
  db.prepare(ON_DUTY).bind(VERSION),
  ...RATES.map((sql) => db.prepare(sql)),
];
