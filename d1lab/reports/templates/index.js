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
    time.textContent = `data pulled ${span(age)} ago`;
    time.className = age > Number(time.dataset.staleHours) ? "state stale" : "";
  }

  const filters = document.querySelector(".filters");
  if (!filters) return;
  filters.hidden = false;
  const [shop, report] = filters.querySelectorAll("select");
  const none = document.querySelector(".empty");
  const show = () => {
    let shown = 0;
    for (const section of document.querySelectorAll("section[data-shop]")) {
      let here = 0;
      for (const entry of section.querySelectorAll("article")) {
        const fits = (!shop.value || section.dataset.shop === shop.value) && (!report.value || entry.dataset.report === report.value);
        entry.hidden = !fits;
        here += fits;
      }
      section.hidden = !here;
      shown += here;
    }
    none.hidden = shown > 0;
    const wanted = new URLSearchParams(Object.entries({ shop: shop.value, report: report.value }).filter(([, value]) => value));
    history.replaceState(null, "", `#${wanted}`);
  };
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const [select, name] of [[shop, "shop"], [report, "report"]]) {
    if ([...select.options].some((option) => option.value === asked.get(name))) select.value = asked.get(name);
    select.addEventListener("change", show);
  }
  if (location.hash) show();
})();
