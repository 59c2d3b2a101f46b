tellAges((time, age, stale) => {
  time.textContent = `pulled ${age}`;
  time.className = stale ? "state stale" : "";
});

const filters = document.querySelector(".filters");
if (filters) filters.hidden = false;
const selects = [...document.querySelectorAll(".filters select")];
const empty = document.querySelector(".empty");
const reports = document.querySelector(".reports");
const visible = (place) => place.querySelector("article:not([hidden])");
const show = () => {
  for (const entry of document.querySelectorAll("article")) {
    entry.hidden = selects.some(({ name, value }) => value && entry.dataset[name] !== value);
  }
  for (const section of document.querySelectorAll(".reports section")) section.hidden = !visible(section);
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
if (selects.some(({ value }) => value)) {
  reports.open = true;
  show();
}
