// Search all shops by any part of their names.
const field = document.getElementById("find");
const found = document.getElementById("found");
const items = [...document.getElementById("every").children];
const names = items.map((item) => item.textContent.toLowerCase());
field.hidden = false;
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let hits = 0;
  items.forEach((item, place) => {
    const hit = words.every((word) => names[place].includes(word));
    if (item.hidden === hit) item.hidden = !hit;
    hits += hit;
  });
  found.textContent = words.length ? `${hits} found` : "";
});
