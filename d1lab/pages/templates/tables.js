// Copying: a table as CSV with exact values, or a command.
const defused = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const number = (text) => (text !== "" && !Number.isNaN(Number(text)) ? text : quoted(defused(text)));
const ownText = (cell) => {
  if (cell.textContent === "\u2013" || cell.querySelector(".none")) return "";
  const copied = cell.cloneNode(true);
  for (const ask of copied.querySelectorAll(".ask")) ask.remove();
  if ("r" in cell.dataset) for (const range of copied.querySelectorAll("span:not(.none)")) range.remove();
  return copied.textContent.trim();
};
const values = (cell) => [
  "v" in cell.dataset ? number(cell.dataset.v) : quoted(defused(ownText(cell))),
  ...("r" in cell.dataset ? cell.dataset.r.split("|").map(number) : []),
];
const csv = (table) =>
  [...table.rows].map((row) => [...row.cells].flatMap(values).join(",")).join("\r\n") + "\r\n";
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};
for (const button of document.querySelectorAll("button[data-save]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const text = csv(document.getElementById(button.dataset.save));
    const href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    Object.assign(document.createElement("a"), { href, download: button.dataset.name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10000);
  });
}
for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await copy(source.tagName === "TABLE" ? csv(source) : source.textContent.trim());
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1600);
  });
}

// Tables: sort by a header, search, and show all rows.
const key = (cell, isNumber) => {
  const text = "v" in cell.dataset ? cell.dataset.v.split(" ").pop() : cell.textContent.trim();
  if (text === "" || text === "\u2013") return null;
  const number = Number(text.replace(/[^\d.eE+\u2212-]/g, "").replace("\u2212", "-"));
  return isNumber && !Number.isNaN(number) ? number : text.toLowerCase();
};
const order = (a, b) => (a === null ? 1 : b === null ? -1 : a < b ? -1 : a > b ? 1 : 0);
const sort = (table, header) => {
  const rows = [...table.tBodies[0].rows];
  const first = header.className.includes("n") ? "descending" : "ascending";
  const now = header.getAttribute("aria-sort");
  const wanted = now === null ? first : now === "ascending" ? "descending" : "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", wanted);
  const top = rows.filter((row) => !row.classList.contains("more")).length;
  const sign = wanted === "descending" ? -1 : 1;
  const group = (row) => ("within" in header.dataset ? Number(row.dataset.g) : 0); // not compared
  const isNumber = header.className.includes("n");
  const keyed = rows.map((row) => [key(row.cells[header.cellIndex], isNumber), row]);
  keyed.sort(([a, r], [b, s]) => group(r) - group(s) || (a === null || b === null ? order(a, b) : sign * order(a, b)));
  const body = table.tBodies[0];
  body.remove(); // rows that are not in the page are cheap to move
  body.append(...keyed.map(([, row]) => row));
  keyed.forEach(([, row], place) => row.classList.toggle("more", place >= top));
  table.append(body);
  stretch(table, STRETCH);
};
const STRETCH = 100; // rows laid out at once; scrolling to the last one brings as many again
const lengths = new WeakMap(); // rows laid out of a table
const stretch = (table, length) => {
  lengths.set(table, length);
  let place = 0;
  for (const row of table.tBodies[0].rows) {
    if (!row.classList.contains("miss")) row.classList.toggle("far", ++place > length);
  }
};
const box = (table) => table.parentElement.classList.toggle("tall", table.matches(".all, .searched"));
const texts = new WeakMap(); // of rows, read once
const textOf = (row) => {
  if (!texts.has(row)) texts.set(row, [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase());
  return texts.get(row);
};
const find = (table, text, found) => {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  let hits = 0;
  for (const row of table.tBodies[0].rows) {
    const hit = wanted.every((word) => textOf(row).includes(word));
    if (hit === row.classList.contains("miss")) row.classList.toggle("miss", !hit);
    hits += hit;
  }
  stretch(table, STRETCH);
  table.classList.toggle("searched", wanted.length > 0);
  box(table);
  found.textContent = wanted.length ? `${hits} found` : "";
};
document.documentElement.classList.add("js");
for (const table of document.querySelectorAll("table.data")) {
  const of = (name) => document.querySelector(`[data-${name}="${table.id}"]`);
  for (const header of table.tHead.rows[0].cells) {
    if (header.matches(".fixed")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...[...header.childNodes].filter((node) => node.className !== "ask"));
    button.addEventListener("click", () => sort(table, header));
    header.prepend(button);
  }
  stretch(table, STRETCH);
  const frame = table.parentElement;
  frame.addEventListener("scroll", () => {
    const isAtEnd = frame.scrollTop + frame.clientHeight > frame.scrollHeight - 400;
    if (isAtEnd && table.querySelector("tr.far:not(.miss)")) stretch(table, lengths.get(table) + STRETCH);
  });
  const [search, all] = [of("find"), of("all")];
  if (search) search.addEventListener("input", () => find(table, search.value, of("found")));
  if (!all) continue;
  const label = all.textContent;
  all.hidden = false;
  all.addEventListener("click", () => {
    const open = table.classList.toggle("all");
    box(table);
    all.setAttribute("aria-expanded", open);
    all.textContent = open ? "Show fewer" : label;
  });
}

// Links to a row, or into one: unfold what hides it, and undo a search or a choice that leaves it out.
const unhide = (row) => {
  const table = row.closest("table");
  const [search, all] = ["find", "all"].map((name) => document.querySelector(`[data-${name}="${table.id}"]`));
  if (row.classList.contains("miss")) {
    search.value = "";
    find(table, "", document.querySelector(`[data-found="${table.id}"]`));
  }
  if (row.classList.contains("more") && !table.classList.contains("all")) all.click();
  if (row.classList.contains("far")) stretch(table, Infinity);
  const every = table.closest(".tests") && document.querySelector(".seg [value=all]");
  if (every && !row.checkVisibility()) every.checked = true;
};
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.classList.contains("drawer")) {
    target.focus({ preventScroll: true });
    return;
  }
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  const row = target.closest("table.data tr");
  if (row) unhide(row);
  target.scrollIntoView({ block: "center" });
};
addEventListener("hashchange", reveal);
reveal();
