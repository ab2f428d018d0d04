"use strict";
// Niceties only: the page is complete without this.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not([open])").forEach((d) => { d.open = true; d.dataset.closed = ""; });
});
addEventListener("afterprint", () => {
  document.querySelectorAll("details[data-closed]").forEach((d) => { d.open = false; delete d.dataset.closed; });
});
addEventListener("hashchange", () => {
  const inside = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let e = inside; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
});
