"use strict";
// Served with a page, never written to disk: loads the page again when its file has changed.
(() => {
  let seen;
  const look = async () => {
    if (document.visibilityState !== "visible") return;
    const answer = await fetch(location.pathname, { method: "HEAD", cache: "no-store" });
    const tag = answer.headers.get("ETag");
    if (seen !== undefined && answer.ok && tag !== seen) location.reload();
    seen = tag;
  };
  const again = () => setTimeout(() => look().catch(() => {}).finally(again), 1000);
  look().catch(() => {}).finally(again);
})();
