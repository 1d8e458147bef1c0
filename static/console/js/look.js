/*
  The quick look: Space on a row, or its link with data-look, opens a panel beside the list with that user's essentials. j and k
  walk on and the panel follows; Esc closes it. Without scripts the link leads to a page.
*/
import { word } from "./words.js";
import { keysAreOn } from "./keyboard.js";

const DELAY = 150;
let panel = null;
let shown = null;
let timer = 0;

const keyOf = (row) => row?.querySelector("a[data-look]") ?? null;
const rowOf = (link) => link?.closest("tr[data-row]") ?? null;

function make() {
  panel = document.createElement("aside");
  panel.id = "look";
  panel.className = "look";
  panel.setAttribute("aria-label", word("quick-look"));
  panel.hidden = true;
  document.getElementById("main").append(panel);
}

async function show(link, takesFocus) {
  if (!panel) make();
  shown = link.getAttribute("href");
  panel.hidden = false;
  mark(link);
  await htmx.ajax("GET", shown, { source: link, target: panel, swap: "innerHTML" });
  if (shown !== link.getAttribute("href")) return;
  if (!panel.childElementCount) close(); // refused, or gone: a banner says so
  else if (takesFocus) panel.querySelector("[data-look-title]")?.focus();
}

function mark(link) {
  document.querySelectorAll("a[data-look][aria-expanded]").forEach((other) => other.removeAttribute("aria-expanded"));
  link?.setAttribute("aria-expanded", "true");
}

function close() {
  const held = panel.contains(document.activeElement);
  const link = document.querySelector(`a[data-look][href="${CSS.escape(shown ?? "")}"]`);
  clearTimeout(timer);
  panel.hidden = true;
  panel.replaceChildren();
  shown = null;
  mark(null);
  if (held) (link ?? document.getElementById("main")).focus();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-look-close]")) {
    close();
    return;
  }
  const link = event.target.closest("a[data-look]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  if (shown === link.getAttribute("href")) close();
  else show(link, true);
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.matches?.("tr[data-row]") && keysAreOn()) {
    const link = keyOf(event.target);
    if (!link) return;
    event.preventDefault();
    if (shown === link.getAttribute("href")) close();
    else show(link, false);
  } else if (event.key === "Escape" && shown) {
    const elsewhere = event.target.closest?.("tr.unfold, #filter-panel, dialog") ?? document.querySelector("dialog[open], [popover]:popover-open");
    if (!elsewhere) close();
  }
});

/* The panel follows the row that the keys j and k walk to; a moment later, so that running through rows asks for the last only. */
document.addEventListener("row:current", (event) => {
  const link = keyOf(event.target);
  if (!shown || !link || shown === link.getAttribute("href")) return;
  clearTimeout(timer);
  timer = setTimeout(() => shown && show(link, false), DELAY);
});

document.addEventListener("user-changed", (event) => {
  const link = keyOf(document.getElementById(`row-${event.detail.id}`));
  if (shown && link && shown === link.getAttribute("href")) show(link, false);
});
