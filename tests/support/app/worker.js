// An app of the guide's shape: it counts each use of a discount as it happens, lets a queue count
// days and products later, shows a dashboard, and moves old rows into an archive. It repeats what
// such apps get wrong: the first use of a pair is not counted, revenue stays unknown, and a queue
// batch that fails half-way is counted again from its start.
//
// A path is /DATABASE/ROUTE; one running app serves all of the tests' databases.

const TRACK = `
  INSERT INTO discount_analytics (shop, discount_id, sku, discount_amount)
  VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (shop, discount_id, sku) DO UPDATE SET
    times_used = times_used + 1,
    discount_amount = discount_amount + excluded.discount_amount,
    last_used_at = CURRENT_TIMESTAMP`;

const COUNT_DAY = `
  INSERT INTO daily_discount_stats (shop, date, total_discounts_used, total_revenue_impact)
  VALUES (?1, date(?2), 1, ?3)
  ON CONFLICT (shop, date) DO UPDATE SET
    total_discounts_used = total_discounts_used + 1,
    total_revenue_impact = total_revenue_impact + excluded.total_revenue_impact`;

const COUNT_PRODUCT = `
  INSERT INTO product_performance (shop, sku, units_sold_with_discount, total_discount_given)
  VALUES (?1, ?2, 1, ?3)
  ON CONFLICT (shop, sku) DO UPDATE SET
    units_sold_with_discount = units_sold_with_discount + 1,
    total_discount_given = total_discount_given + excluded.total_discount_given,
    updated_at = CURRENT_TIMESTAMP`;

const DASHBOARD = `
  SELECT count(DISTINCT discount_id) AS discounts, sum(times_used) AS uses,
    sum(discount_amount) AS savings, count(DISTINCT sku) AS skus
  FROM discount_analytics
  WHERE shop = ?1 AND last_used_at >= ?2`;

const ARCHIVE = "INSERT INTO analytics_archive SELECT * FROM discount_analytics WHERE created_at < ?1";
const FORGET = "DELETE FROM discount_analytics WHERE created_at < ?1";

const database = (env, name) => env[`D${Number(name.slice(name.indexOf("-") + 1))}`];

async function count(db, uses, stopAfter = Infinity) {
  for (const [number, use] of uses.entries()) {
    if (number === stopAfter) throw new Error(`stopped after ${number} uses`);
    await db.prepare(COUNT_DAY).bind(use.shop, use.at, use.amount).run();
    await db.prepare(COUNT_PRODUCT).bind(use.shop, use.sku, use.amount).run();
  }
}

// Uses that were sent to the queue and are not counted yet, by number.
const pending = new Map();
let sent = 0;

async function countPending(env, number) {
  const waiting = pending.get(number);
  if (!waiting) return; // counted by "flush"
  pending.delete(number);
  try {
    await count(database(env, waiting.name), [waiting.use]);
  } catch (error) {
    pending.set(number, waiting);
    throw error;
  }
}

const routes = {
  async track(db, { uses }, env, name) {
    for (const use of uses) {
      await db.prepare(TRACK).bind(use.shop, use.discount_id, use.sku, use.amount).run();
      pending.set(++sent, { name, use });
      await env.USES.send({ number: sent });
    }
    return uses.length;
  },
  async flush(db, _, env, name) {
    const late = [...pending].filter(([, waiting]) => waiting.name === name);
    for (const [number] of late) await countPending(env, number);
    return late.length;
  },
  async deliver(db, { uses, stop_after }) {
    await count(db, uses, stop_after ?? Infinity);
    return uses.length;
  },
  dashboard: (db, { shop, since }) => db.prepare(DASHBOARD).bind(shop, since).first(),
  async archive(db, { before }) {
    const [kept, gone] = await db.batch([ARCHIVE, FORGET].map((sql) => db.prepare(sql).bind(before)));
    return { archived: kept.meta.changes, deleted: gone.meta.changes };
  },
  async sql(db, { statements }) {
    const done = await db.batch(statements.map(([sql, params]) => db.prepare(sql).bind(...params)));
    return done.map(({ results, meta }) => ({ rows: results, written: meta.rows_written }));
  },
};

export default {
  async fetch(request, env) {
    const [, name, route] = new URL(request.url).pathname.split("/");
    if (!(route in routes)) return new Response("shop-app", { status: name ? 404 : 200 });
    try {
      return Response.json(await routes[route](database(env, name), await request.json(), env, name));
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
  async queue(batch, env) {
    for (const { body } of batch.messages) await countPending(env, body.number);
  },
};
