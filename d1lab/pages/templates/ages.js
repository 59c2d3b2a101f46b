"use strict";

// Ages: what was so when the page was made is told again for the moment it is read.
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
