/*
  A list page ([data-listing]): its own links ("?…") and filter form fetch only the list. A selection that was begun after
  the page was drawn goes with them. After an act on a user (user-changed) only that user's row is fetched anew.
*/
const listing = () => document.querySelector("[data-listing]");

function withSelection(url) {
  const kept = document.querySelector("#selection input[name=selection][data-kept]");
  if (kept && !url.searchParams.has("selection") && url.pathname === location.pathname) url.searchParams.set("selection", kept.value);
  return url;
}

async function show(url, focus) {
  const { pathname, search } = withSelection(url);
  const before = listing();
  before.setAttribute("aria-busy", "true");
  await htmx.ajax("GET", pathname + search, { source: before, target: before, swap: "outerHTML" });
  before.removeAttribute("aria-busy");
  const target = focus && document.getElementById(focus);
  if (target) target.focus({ preventScroll: true });
  else if (focus) listing()?.querySelector(".sheet")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("[data-listing] a[href^='?']");
  if (!link || link.hasAttribute("hx-get") || link.target) return;
  event.preventDefault();
  show(new URL(link.href), link.id || "list");
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-listing] form[data-filters]");
  if (!form || event.defaultPrevented) return;
  event.preventDefault();
  const url = new URL(form.action);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== "")).toString();
  show(url, "filters-key");
});

/* The key of the filters opens their panel, and closes it again. */
document.addEventListener("click", (event) => {
  const key = event.target.closest("[data-panel-key], [data-panel-close]");
  const panel = document.getElementById("filter-panel");
  if (!key || !panel?.childElementCount) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  panel.replaceChildren();
  const opener = document.querySelector("[data-panel-key]");
  opener?.setAttribute("aria-expanded", "false");
  opener?.focus();
}, true);

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "filter-panel") return;
  document.querySelector("[data-panel-key]")?.setAttribute("aria-expanded", "true");
  event.target.querySelector("[aria-invalid=true], input:not([type=hidden])")?.focus();
});

/* Searching keeps the selection too, and what is typed while the list travels stays in the box. */
document.addEventListener("htmx:configRequest", (event) => {
  const kept = document.querySelector("#selection input[name=selection][data-kept]");
  if (!kept || !event.target.matches?.("form[role=search]")) return;
  const query = new URLSearchParams(event.detail.parameters.get?.("query") ?? event.detail.parameters.query ?? "");
  query.set("selection", kept.value);
  if (event.detail.parameters.set) event.detail.parameters.set("query", query.toString());
  else event.detail.parameters.query = query.toString();
});

document.addEventListener("user-changed", (event) => {
  const row = document.getElementById(`row-${event.detail.id}`);
  const name = row?.querySelector("a.name");
  if (!name || !listing()?.contains(row)) return;
  const kept = document.querySelector("#selection input[name=selection][data-kept]");
  htmx.ajax("GET", `${name.getAttribute("href")}row/` + (kept ? `?selection=${kept.value}` : ""), { source: row, target: row, swap: "outerHTML" });
});
