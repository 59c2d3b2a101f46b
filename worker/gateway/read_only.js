// Decides whether a statement only reads. The tokens decide first; then SQLite itself, because the
// gateway prepares what a reader sends as a subquery, which nothing but a SELECT can be.

const TOKEN =
  /(\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[\s\S]/g;
const MAIN = new Set(["SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"]);
const PRAGMAS = new Set([
  "table_list", "table_info", "table_xinfo", "index_list", "index_info", "index_xinfo",
  "foreign_key_list", "foreign_key_check", "quick_check",
]);

export function* tokens(sql) {
  for (const [text, space] of sql.matchAll(TOKEN)) if (!space) yield text;
}

// Returns "select", "other" (an EXPLAIN or PRAGMA that reads), or null for anything else.
export function readKind(sql) {
  if (sql.includes("\0")) return null;
  const words = [...tokens(sql)];
  while (words.at(-1) === ";") words.pop();
  if (!words.length || words.includes(";") || !isBalanced(words)) return null;
  const verb = verbOf(words);
  if (verb === "SELECT" || verb === "VALUES") return "select";
  if (verb === "EXPLAIN") return "other"; // it plans, and runs nothing
  return verb === "PRAGMA" && isReadPragma(words) ? "other" : null;
}

function isBalanced(words) {
  let depth = 0;
  for (const word of words) {
    depth += word === "(" ? 1 : word === ")" ? -1 : 0;
    if (depth < 0) return false; // it would end the subquery
  }
  return depth === 0;
}

function verbOf(words) {
  const first = words[0].toUpperCase();
  if (first !== "WITH") return first;
  let depth = 0;
  for (const word of words) {
    depth += word === "(" ? 1 : word === ")" ? -1 : 0;
    if (depth === 0 && MAIN.has(word.toUpperCase())) return word.toUpperCase();
  }
  return null;
}

function isReadPragma(words) {
  const name = words[2] === "." ? words[3] : words[1];
  return !words.includes("=") && PRAGMAS.has((name ?? "").toLowerCase());
}
