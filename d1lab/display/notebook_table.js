(() => {
  const root = document.currentScript.parentElement;
  const body = root.querySelector("tbody");
  const heads = [...root.querySelectorAll("th")];
  const number = (text) => {
    const value = parseFloat(text.replace(/\u2212/g, "-").replace(/[^0-9.eE+-]/g, ""));
    return Number.isNaN(value) ? null : value;
  };
  const cell = (row, column) => {
    const text = row.cells[column].textContent;
    if (heads[column].classList.contains("n")) return number(text);
    return text === "\u2013" ? null : text.toLowerCase();
  };
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const sort = (column) => {
    const sign = heads[column].getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const rows = [...body.rows].map((row) => [cell(row, column), row]);
    rows.sort(([a], [b]) =>  // missing values last, whichever way
      a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b));
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    body.append(...rows.map(([, row]) => row));
  };
  heads.forEach((head, column) => { head.querySelector("button").onclick = () => sort(column); });
  const box = root.querySelector("input");
  if (box) box.oninput = () => {
    const words = box.value.toLowerCase().split(/\s+/);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  };
})();
