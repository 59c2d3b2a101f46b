tellAges((time, age, stale) => {
  time.parentElement.querySelector(".age").textContent = age;
  if (!stale) return;
  const state = document.querySelector(".state");
  state.textContent = "Stale";
  state.className = "fresh state stale";
});

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
  else if (link && link.closest("th")) opener = link;
});
document.addEventListener("keydown", ({ key }) => key === "Escape" && openDrawer() && closeDrawer());

// Menus of the bar: a click elsewhere or Escape closes the open one.
const closeMenu = ({ target, key }) => {
  const menu = document.querySelector(".menu[open]");
  if (!menu || (key ? key !== "Escape" : menu.contains(target))) return;
  menu.open = false;
  if (key) menu.querySelector("summary").focus();
};
document.addEventListener("click", closeMenu);
document.addEventListener("keydown", closeMenu);

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

// Data packed in the page: gzip in base64.
const unpack = (id) => {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
};
const canUnpack = "DecompressionStream" in window;

// Drawers of further items: their names become links.
const addDrawers = async () => {
  document.querySelector("main").insertAdjacentHTML("beforeend", await unpack("drawers"));
  for (const name of document.querySelectorAll(".data data")) {
    const link = document.createElement("a");
    link.href = `#${name.value}`;
    link.append(...name.childNodes);
    name.replaceWith(link);
  }
  if (location.hash.startsWith("#about-")) location.replace(location.href); // it is there now
  document.documentElement.dataset.drawers = "all";
};
if (document.getElementById("drawers") && canUnpack) addDrawers();

// Charts: show static SVG until Vega has drawn the interactive charts.
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
if (document.getElementById("specs") && canUnpack) draw();
