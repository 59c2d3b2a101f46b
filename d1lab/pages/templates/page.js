tellAges((time, age, stale) => {
  time.parentElement.querySelector(".age").textContent = age;
  if (!stale) return;
  const state = document.querySelector(".state");
  state.textContent = "Stale";
  state.className = "fresh state stale";
});

// Copying: a table as CSV with exact values, or a command.
const defused = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const number = (text) => (text !== "" && !Number.isNaN(Number(text)) ? text : quoted(defused(text)));
const ownText = (cell) => {
  if (cell.querySelector(".none")) return "";
  const copied = cell.cloneNode(true);
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
const key = (cell) => {
  const text = "v" in cell.dataset ? cell.dataset.v.split(" ").pop() : cell.textContent.trim();
  if (text === "" || text === "\u2013") return null;
  const number = Number(text.replace(/[^\d.eE+\u2212-]/g, "").replace("\u2212", "-"));
  return cell.className.includes("n") && !Number.isNaN(number) ? number : text.toLowerCase();
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
  const keyed = rows.map((row) => [key(row.cells[header.cellIndex]), row]);
  keyed.sort(([a], [b]) => (a === null || b === null ? order(a, b) : sign * order(a, b)));
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
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, header));
    header.append(button);
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

// Drawers: a link opens one without a script, too; Escape, Close, or a click beside it closes it.
let opener = null; // the link to return to
const openDrawer = () => document.querySelector(".drawer:target");
const closeDrawer = () => {
  const drawer = openDrawer();
  const link = opener || document.querySelector(`a[href="#${drawer.id}"]`);
  location.hash = "closed"; // no element has this ID, so the page stays where it is
  opener = null;
  if (link) link.focus({ preventScroll: true });
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  const drawer = openDrawer();
  const isClose = link && link.classList.contains("close");
  if (isClose) event.preventDefault();
  if (drawer && (isClose || !(link || drawer.contains(event.target)))) closeDrawer();
  else if (link && link.closest("td")) opener = link;
});
document.addEventListener("keydown", ({ key }) => key === "Escape" && openDrawer() && closeDrawer());

// Links to a row: unfold what hides it.
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.classList.contains("drawer")) {
    target.focus({ preventScroll: true });
    return;
  }
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  const table = target.classList.contains("more") && target.closest("table");
  const all = table && document.querySelector(`[data-all="${table.id}"]`);
  if (all && !table.classList.contains("all")) all.click();
  if (table) stretch(table, Infinity);
  target.scrollIntoView({ block: "center" });
};
addEventListener("hashchange", reveal);
reveal();
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details.ev:not(.how)")) part.open = true;
});

// Charts: a tip at the nearest point, by pointer or arrow keys, which a screen reader announces.
const made = (tag, fields) => document.body.appendChild(Object.assign(document.createElement(tag), { hidden: true, ...fields }));
const tip = made("div", { id: "tip", ariaHidden: "true" });
const spot = made("i", { id: "spot", ariaHidden: "true" });
const told = made("p", { className: "sr", role: "status", hidden: false });
const pointsOf = (chart) => {
  const points = [];
  for (const area of chart.querySelectorAll("[data-tips]")) {
    const box = area.getBoundingClientRect();
    for (const line of area.dataset.tips.split("\n")) {
      const [x, y] = line.split(" ", 2).map(Number);
      const text = line.slice(`${x} ${y} `.length);
      points.push({ x: box.x + (box.width * x) / 1000, y: box.y + (box.height * y) / 1000, text });
    }
  }
  for (const row of chart.querySelectorAll("[data-tip]")) {
    const box = row.getBoundingClientRect();
    points.push({ x: box.x + box.width / 2, y: box.y + box.height / 2, text: row.dataset.tip, row });
  }
  return points;
};
let shown = null; // returns the point whose tip is shown
const hideTip = () => {
  shown = null;
  tip.hidden = spot.hidden = true;
  for (const row of document.querySelectorAll(".rows > .on")) row.classList.remove("on");
};
const showTip = (point) => {
  hideTip();
  shown = point;
  const { x, y, text, row } = point();
  tip.textContent = text;
  tip.hidden = false;
  spot.hidden = Boolean(row);
  if (row && row.tagName === "DIV") row.classList.add("on");
  const box = tip.getBoundingClientRect();
  const [right, above] = [innerWidth - box.width - 8, y - box.height - 14];
  Object.assign(spot.style, { left: `${x}px`, top: `${y}px` });
  tip.style.left = `${Math.max(8, Math.min(right, x - box.width / 2))}px`;
  tip.style.top = `${above < 4 ? y + 14 : above}px`;
};
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
for (const still of document.querySelectorAll(".still")) {
  if (!still.querySelector("[data-tips], [data-tip]")) continue;
  const pan = still.closest(".pan");
  pan.ariaLabel += ". Arrow keys move over the values.";
  let at = -1;
  still.addEventListener("pointermove", ({ clientX, clientY }) => {
    const points = pointsOf(still);
    const far = points.map(({ x, y, row }) => Math.hypot(row && row.tagName === "DIV" ? 0 : x - clientX, (y - clientY) / (row ? 1 : 4)));
    at = far.indexOf(Math.min(...far));
    showTip(() => pointsOf(still)[at]);
  });
  still.addEventListener("pointerleave", hideTip);
  pan.addEventListener("blur", hideTip);
  pan.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const count = pointsOf(still).length;
    at = at < 0 ? (step > 0 ? 0 : count - 1) : (at + step + count) % count;
    const point = () => pointsOf(still)[at];
    if (point().row) point().row.scrollIntoView({ block: "nearest", inline: "nearest" });
    showTip(point);
    told.textContent = point().text;
  });
}
addEventListener("scroll", () => shown && showTip(shown), { passive: true, capture: true });

// Charts: show static SVG until Vega has drawn the interactive charts.
const unpack = (id) => {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
};
const draw = async () => {
  const [specs, vega] = await Promise.all([unpack("specs"), unpack("vega")]);
  const script = document.createElement("script");
  script.textContent = vega;
  document.head.append(script);
  const options = {
    ast: true,
    renderer: "svg",
    actions: false,
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
  };
  for (const [name, spec] of Object.entries(JSON.parse(specs))) {
    const chart = document.getElementById(name);
    await window.vegaEmbed(chart.querySelector(".live"), spec, options);
    chart.classList.add("drawn");
    chart.querySelector(".pan").removeAttribute("tabindex"); // no longer scrollable
  }
  document.documentElement.dataset.charts = "live";
};
if (document.getElementById("specs") && "DecompressionStream" in window) draw();
