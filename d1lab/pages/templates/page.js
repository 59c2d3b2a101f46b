tellAges((time, age, stale) => {
  time.parentElement.querySelector(".age").textContent = age;
  if (!stale) return;
  const state = document.querySelector(".state");
  state.textContent = "Stale";
  state.className = "state stale";
});

// Copying: a table as CSV with exact values, or a command.
const defused = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const value = (cell) => ("v" in cell.dataset ? cell.dataset.v : quoted(defused(cell.textContent.trim())));
const csv = (table) =>
  [...table.rows].map((row) => [...row.cells].map(value).join(",")).join("\r\n") + "\r\n";
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
