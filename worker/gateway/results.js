// What d1lab has pushed, for the app: the columns of a report's results with the day of their data,
// and the dashboard's figures. From a cache for five minutes; a push purges it.

export const TTL_SECONDS = 300;
const KV_PAUSE_MS = 1_100;
const MOST_ROWS = 1_000;

const DASHBOARD = `
  SELECT
    COUNT(DISTINCT discount_id) as total_discounts,
    SUM(times_used) as total_uses,
    SUM(discount_amount) as total_savings,
    COUNT(DISTINCT sku) as unique_skus
  FROM discount_analytics
  WHERE shop = ?
    AND last_used_at >= date('now', '-30 days')`;
const HELD = `
  SELECT r.table_name, r.report, r.day, r.run_id, r.as_of, p.columns_written
  FROM d1lab_results AS r
  JOIN d1lab_pushes AS p
    ON p.run_id = r.run_id AND p.table_name = r.table_name AND p.action = 'push' AND p.status = 'done'
  WHERE r.shop = ?1 AND (?2 = '' OR r.report = ?2)
  ORDER BY r.report, r.table_name, r.day DESC`;
const COLUMNS = "SELECT name, type, pk FROM pragma_table_info(?1)";
const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

// The figures of the guide's loader, and each report's latest day.
export async function dashboard(db, shop) {
  const figures = await db.prepare(DASHBOARD).bind(shop).first();
  const { results } = await db.prepare(HELD).bind(shop, "").all();
  const reports = {};
  for (const { report, as_of, run_id } of results) {
    if (!(reports[report]?.as_of >= as_of)) reports[report] = { as_of, run_id };
  }
  return { shop, ...figures, reports };
}

// The pushed columns of one report: {shop, report, tables: [{table, as_of, columns, rows}]}.
export async function reportResults(db, shop, report) {
  const { results } = await db.prepare(HELD).bind(shop, report).all();
  const tables = [], seen = new Set();
  for (const held of results) {
    if (seen.has(held.table_name)) continue; // an earlier day
    seen.add(held.table_name);
    tables.push(await pushed(db, shop, held));
  }
  return { shop, report, tables };
}

async function pushed(db, shop, held) {
  const { results: all } = await db.prepare(COLUMNS).bind(held.table_name).all();
  const written = held.columns_written.split(", ");
  const key = all.filter(({ name, pk }) => pk || ["discount_id", "sku"].includes(name));
  const names = [
    ...key.map(({ name }) => name), ...written.filter((name) => all.some((one) => one.name === name)),
  ].filter((name, place, list) => list.indexOf(name) === place && name !== "id");
  const day = held.day && key.find(({ type }) => type.toUpperCase() === "DATE");
  const sql = `SELECT ${names.map(quoted).join(", ")} FROM ${quoted(held.table_name)}
    WHERE shop = ?1 ${day ? `AND ${quoted(day.name)} = ?2` : ""} LIMIT ${MOST_ROWS}`;
  const { results } = await db.prepare(sql).bind(...(day ? [shop, held.day] : [shop])).all();
  return {
    table: held.table_name, as_of: held.as_of, run_id: held.run_id, columns: names,
    rows: results.map((row) => names.map((name) => row[name])),
  };
}

// The dashboard, and a report's results, as JSON: {body, from: "cache" | "d1"}.
export const dashboardOf = (env, name, db, shop) =>
  cached(env, name, ["dashboard", shop], () => dashboard(latest(db), shop));
export const resultsOf = (env, name, db, shop, report) =>
  cached(env, name, ["results", shop, report], () => reportResults(latest(db), shop, report));

const latest = (db) => db.withSession("first-unconstrained");

// Answers from the cache, else from D1. KV where it is bound, else the data center's Cache API. The
// generation is read before D1, so that what a push overtakes is kept under a name of the past.
async function cached(env, name, parts, compute) {
  const key = `d1lab:${name}:${await generation(env, name)}:${JSON.stringify(parts)}`;
  const found = await get(env, key);
  if (found !== null) return { body: found, from: "cache" };
  const body = JSON.stringify(await compute());
  await put(env, key, body).catch(() => undefined); // KV can be hurried: the answer goes out anyway
  return { body, from: "d1" };
}

const generationKey = (name) => `d1lab:${name}`;

async function generation(env, name) {
  const known = await get(env, generationKey(name));
  return known ?? renewed(env, name).catch(() => crypto.randomUUID()); // then nothing is cached
}

async function renewed(env, name) {
  const id = crypto.randomUUID();
  await put(env, generationKey(name), id);
  return id;
}

// KV limits a key to 512 bytes.
async function keyOf(key) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return `d1lab:${[...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

const address = (key) => `https://d1lab.invalid/${key}`;

async function get(env, text) {
  const key = await keyOf(text);
  if (env.KV) return env.KV.get(key);
  const found = await caches.default.match(address(key));
  return found ? found.text() : null;
}

async function put(env, text, body) {
  const key = await keyOf(text);
  if (env.KV) return env.KV.put(key, body, { expirationTtl: TTL_SECONDS });
  const headers = { "cache-control": `max-age=${TTL_SECONDS}` };
  return caches.default.put(address(key), new Response(body, { headers }));
}

// Whether statements are those with which a push, or a rollback, begins or ends.
export const isPush = (statements) =>
  statements.some(([sql]) => /\bd1lab_(pushes|results)\b/.test(sql) && !/^\s*select/i.test(sql));

// Forgets all that is cached of a database, at the price of one write: nothing asks for a name of an
// earlier generation, and the TTL ends it. The Cache API forgets in this data center only. KV takes
// one write a second of a key, so it is asked twice. What was pushed is in D1 whatever happens here.
export async function purge(env, name) {
  try {
    await renewed(env, name);
  } catch {
    await new Promise((resolve) => setTimeout(resolve, KV_PAUSE_MS));
    await renewed(env, name).catch((error) => console.error(`d1lab gateway: ${error}`));
  }
}
