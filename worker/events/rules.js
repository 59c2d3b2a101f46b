// The rules of an event: the same as those of `d1lab track` (d1lab/ingest/checked_events.sql), so
// that an event is accepted or rejected alike, whichever way it comes.

export const FIELDS = [
  "seq", "shop", "event_id", "type", "order_id", "customer_id", "sku", "product_title",
  "discount_id", "discount_code", "discount_type", "occurred_at", "list_price",
  "discount_amount", "revenue", "quantity",
].slice(1); // seq is assigned by D1

const TEXTS = [
  "shop", "event_id", "order_id", "customer_id", "sku", "product_title", "discount_id",
  "discount_code", "discount_type",
];
const LONGEST = 1000;
export const OLDEST_DAYS = 15; // of views and carts: longer than a queue keeps a message
const DAY_MS = 86_400_000; // for clock errors and time zones; later times are errors
const TIME =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?(Z|UTC|[+-]\d{2}(?::?\d{2})?))?)?$/;
const AMOUNT = /^-?\d+(\.\d*)?([eE][-+]?\d+)?$/;
const UNITS = /^\d{1,9}(\.\d*)?$/;
const FEWEST = 1e12; // amounts from here on exceed 18 digits, 6 of them decimals

const isSmall = (type) => type === "view" || type === "cart";

// Returns {event} with every field in its stored form, or {reason}.
export function checked(given, now = Date.now()) {
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    return { reason: `not an object of fields: ${shown(given)}` };
  }
  const unknown = Object.keys(given).filter((name) => !FIELDS.includes(name));
  if (unknown.length) return { reason: `unknown field ${shown(unknown[0])}` };
  const raw = {};
  for (const name of FIELDS) {
    const text = plain(given[name]);
    if (text === undefined) return { reason: `${name} is of type ${typeof given[name]}` };
    raw[name] = text;
  }
  const event = isSmall(raw.type) ? small(raw, now) : line(raw);
  const reasons = [...event.reasons, ...timed(event, raw, now), ...spelled(raw)];
  delete event.reasons;
  return reasons.length ? { reason: reasons.join("; ") } : { event };
}

// A field as trimmed text, null if missing, undefined if it has no such type.
function plain(value) {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") {
    return value.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "") || null;
  }
  return typeof value === "number" && Number.isFinite(value) ? String(value) : undefined;
}

function small(raw, now) {
  const reasons = missing(raw, ["shop", "event_id", "sku", "occurred_at"]);
  const at = raw.occurred_at === null ? NaN : instant(raw.occurred_at);
  if (at < now - OLDEST_DAYS * DAY_MS) {
    reasons.push(`occurred_at is more than ${OLDEST_DAYS} days ago: a repeat could not be recognized`);
  }
  return { type: raw.type, shop: raw.shop, event_id: raw.event_id, sku: raw.sku, reasons };
}

function line(raw) {
  const event = { ...raw, discount_amount: raw.discount_amount ?? "0" };
  const reasons = missing(raw, [
    "shop", "event_id", "type", "order_id", "sku", "quantity", "revenue", "occurred_at",
  ]);
  if (raw.type !== null && raw.type !== "order" && raw.type !== "refund") {
    reasons.push(`type ${shown(raw.type)} is not 'order', 'refund', 'view' or 'cart'`);
  }
  event.quantity = number(raw.quantity, UNITS);
  if (event.quantity === undefined || (event.quantity === 0 && raw.type !== "refund")) {
    reasons.push(`quantity ${shown(raw.quantity)} is not a number above 0`);
  }
  for (const name of ["list_price", "discount_amount", "revenue"]) {
    const amount = number(event[name], AMOUNT);
    if (amount === undefined || amount < 0) {
      reasons.push(`${name} ${shown(event[name])} is not an amount of 0 or more`);
    }
    event[name] = amount;
  }
  if (event.discount_amount > 0 && raw.discount_id === null) {
    reasons.push("discount_amount without a discount_id");
  }
  return { ...event, reasons };
}

function missing(raw, names) {
  return names.filter((name) => raw[name] === null).map((name) => `${name} is missing`);
}

// A number to a millionth, null if missing, undefined if it is none.
function number(text, shape) {
  if (text === null || text === undefined) return null;
  const value = shape.test(text) ? Number(text) : NaN;
  return Math.abs(value) < FEWEST ? Number(value.toFixed(6)) : undefined;
}

// Sets occurred_at to UTC as D1 stores it, and returns what is wrong with it.
function timed(event, raw, now) {
  if (raw.occurred_at === null) return [];
  const at = instant(raw.occurred_at);
  const named = `occurred_at ${shown(raw.occurred_at)}`;
  if (Number.isNaN(at)) return [`${named} is not an ISO 8601 time`];
  if (at < 0) return [`${named} is before 1970`];
  if (at > now + DAY_MS) return [`${named} is in the future`];
  event.occurred_at = new Date(at).toISOString().slice(0, 19).replace("T", " ");
  return [];
}

function instant(text) {
  const found = TIME.exec(text);
  if (!found) return NaN;
  const [, day, clock = "00:00", seconds = "00", zone = "Z"] = found;
  const at = Date.parse(`${day}T${clock}:${seconds}${offset(zone)}`);
  const [year, month, date] = day.split("-").map(Number);
  const isReal = new Date(Date.UTC(year, month - 1, date)).getUTCDate() === date; // no February 30
  return isReal ? Math.floor(at / 1000) * 1000 : NaN;
}

function offset(zone) {
  if (zone === "Z" || zone === "UTC") return "Z";
  return `${zone.slice(0, 3)}:${zone.slice(3).replace(":", "") || "00"}`;
}

function spelled(raw) {
  const texts = TEXTS.map((name) => raw[name]).filter((text) => text !== null);
  const reasons = [];
  if (texts.some((text) => [...text].length > LONGEST)) {
    reasons.push("a text is longer than 1,000 characters");
  }
  if (texts.some((text) => text.includes("\0"))) reasons.push("a text contains a NUL character");
  if (texts.some((text) => !text.isWellFormed())) {
    reasons.push("a text contains half of a surrogate pair");
  }
  return reasons;
}

function shown(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? String(value);
  return `'${text.slice(0, 40)}'`;
}
