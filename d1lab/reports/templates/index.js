(() => {
  "use strict";
  const hours = (time) => (Date.now() - Date.parse(time.dateTime)) / 3600000;
  const units = [["year", 8766], ["day", 24], ["hour", 1]];
  const span = (length) => {
    const [unit, size] = units.find(([, size]) => length >= 2 * size) || ["minute", 1 / 60];
    const number = Math.max(0, Math.round(length / size));
    return `${number.toLocaleString("en")} ${unit}${number === 1 ? "" : "s"}`;
  };
  for (const time of document.querySelectorAll("time[data-stale-hours]")) {
    const age = hours(time);
    time.textContent = `pulled ${span(age)} ago`;
    time.className = age > Number(time.dataset.staleHours) ? "state stale" : "";
  }

  const filters = document.querySelector(".filters");
  if (!filters) return;
  filters.hidden = false;
  const selects = [...filters.querySelectorAll("select")];
  const empty = document.querySelector(".empty");
  const visible = (place) => place.querySelector("article:not([hidden])");
  const show = () => {
    for (const entry of document.querySelectorAll("article")) {
      entry.hidden = selects.some(({ name, value }) => value && entry.dataset[name] !== value);
    }
    for (const section of document.querySelectorAll("section")) section.hidden = !visible(section);
    empty.hidden = Boolean(visible(document));
    const chosen = selects.filter(({ value }) => value).map(({ name, value }) => [name, value]);
    history.replaceState(null, "", `#${new URLSearchParams(chosen)}`);
  };
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const select of selects) {
    const wanted = asked.get(select.name);
    if ([...select.options].some(({ value }) => value === wanted)) select.value = wanted;
    select.addEventListener("change", show);
  }
  if (location.hash) show();
})();
