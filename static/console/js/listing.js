/*
  A list page ([data-listing]): its own links ("?…") and the form of its filters fetch only the list. What is selected goes
  along, also when it was picked after the page was drawn. After an act on a user (user-changed) that user's row is fetched.
*/
const listing = () => document.querySelector("[data-listing]");
const kept = () => document.querySelector("#selection input[name=selection][data-kept]")?.value ?? "";

function withSelection(query) {
  const parameters = new URLSearchParams(query);
  if (kept()) parameters.set("selection", kept());
  return parameters.toString();
}

async function show(query, focus) {
  const before = listing();
  before.setAttribute("aria-busy", "true");
  try {
    await htmx.ajax("GET", `${location.pathname}?${withSelection(query)}`, { source: before, target: before, swap: "outerHTML" });
  } finally {
    before.removeAttribute("aria-busy");
  }
  const wrong = document.querySelector("#filter-panel [aria-invalid=true]");
  const target = wrong ?? document.getElementById(focus) ?? listing()?.querySelector(".sheet");
  target?.focus({ preventScroll: true });
}

const isPlain = (event) => !event.defaultPrevented && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-listing] a[href^='?']");
  if (!link || !isPlain(event) || link.hasAttribute("hx-get")) return;
  event.preventDefault();
  show(link.search, link.id);
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-listing] form[data-filters]");
  if (!form || event.defaultPrevented) return;
  event.preventDefault();
  show(new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== "")), "filters-key");
});

/* Links beside the list lead on from what it shows now. */
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-same-query]");
  if (link) link.search = withSelection(location.search);
}, true);

/* The key of the filters opens their panel, and closes it again. */
const key = () => document.querySelector("[data-panel-key]");
const panel = () => document.getElementById("filter-panel");

document.addEventListener("click", async (event) => {
  const pressed = event.target.closest("[data-panel-key], [data-panel-close]");
  if (!pressed || !panel() || !isPlain(event)) return;
  event.preventDefault();
  if (panel().childElementCount) {
    panel().replaceChildren();
    key()?.focus();
  } else {
    await htmx.ajax("GET", pressed.pathname + pressed.search, { source: pressed, target: panel(), swap: "innerHTML" });
    panel().querySelector("[aria-invalid=true], input:not([type=hidden])")?.focus();
  }
  key()?.setAttribute("aria-expanded", String(panel().childElementCount > 0));
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || !panel()?.contains(event.target)) return;
  panel().replaceChildren();
  key()?.setAttribute("aria-expanded", "false");
  key()?.focus();
});

/* The search leads on from what the list shows now, with the selection. */
document.addEventListener("htmx:configRequest", (event) => {
  if (!event.target.matches?.("form[role=search]")) return;
  event.detail.parameters.query = withSelection(location.search);
  if (event.detail.triggeringEvent?.type === "input") event.detail.headers["HX-Trigger-Name"] = "q";
});

/* The box says what the list was searched for, also when that was taken away beside it. */
for (const name of ["htmx:pushedIntoHistory", "htmx:replacedInHistory"]) {
  document.addEventListener(name, () => {
    const box = document.querySelector("main form[role=search] input[name=q]");
    if (box && box !== document.activeElement) box.value = new URLSearchParams(location.search).get("q") ?? "";
  });
}

document.addEventListener("user-changed", (event) => {
  const row = document.getElementById(`row-${event.detail.id}`);
  const name = row?.querySelector("a.name");
  if (!name || !listing()?.contains(row)) return;
  const query = new URLSearchParams(kept() ? { selection: kept() } : {});
  for (const [key, value] of new URLSearchParams(location.search)) if (key === "view" || key === "columns") query.set(key, value);
  htmx.ajax("GET", `${name.getAttribute("href")}row/?${query}`, { source: row, target: row, swap: "outerHTML" });
});
