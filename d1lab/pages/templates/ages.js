"use strict";

// Ages: recompute the ages on the page at the time it is opened.
const UNITS = [["year", 31557600], ["day", 86400], ["hour", 3600], ["minute", 60]];
const span = (seconds) => {
  const [unit, length] = UNITS.find(([, length]) => seconds >= 2 * length) || UNITS[3];
  const number = Math.max(0, Math.round(seconds / length));
  return `${number.toLocaleString("en")} ${unit}${number === 1 ? "" : "s"}`;
};
const tellAges = (tell) => {
  for (const time of document.querySelectorAll("time[data-stale-hours]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    tell(time, `${span(seconds)} ago`, seconds > 3600 * Number(time.dataset.staleHours));
  }
};
