/*
  <a data-menu-url="…" href="…">: the acts of a row. One popover serves all rows; its content is fetched when it is asked for.
  Without scripts the link leads to a page with the same acts.
*/
import { word } from "./words.js";

const sheet = document.querySelector("[data-row-menu]");
let key = null;

function place() {
  sheet.style.top = sheet.style.left = "0";
  const anchor = key.getBoundingClientRect();
  const box = sheet.getBoundingClientRect();
  const below = anchor.bottom + 4 + box.height <= innerHeight;
  const top = below ? anchor.bottom + 4 : Math.max(8, anchor.top - 4 - box.height);
  const width = document.documentElement.clientWidth;
  const start = document.dir === "rtl" ? anchor.left : anchor.right - box.width;
  sheet.style.top = `${top}px`;
  sheet.style.left = `${Math.min(Math.max(8, start), width - box.width - 8)}px`;
}

async function show(link, byKeyboard) {
  if (key === link && sheet.matches(":popover-open")) {
    sheet.hidePopover();
    return;
  }
  key = link;
  const loading = document.createElement("p");
  loading.className = "loading";
  loading.textContent = word("loading");
  sheet.replaceChildren(loading);
  sheet.classList.add("placed");
  if (!sheet.matches(":popover-open")) sheet.showPopover();
  link.setAttribute("aria-expanded", "true");
  place();
  await htmx.ajax("GET", link.dataset.menuUrl, { source: link, target: sheet, swap: "innerHTML" });
  if (key !== link || !sheet.matches(":popover-open")) return;
  if (sheet.contains(loading)) {
    sheet.hidePopover();
    return;
  }
  place();
  sheet.querySelector("a[href], button:not([disabled])")?.focus({ focusVisible: byKeyboard });
}

if (sheet) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-menu-url]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      show(link, event.detail === 0);
    } else if (sheet.contains(event.target) && event.target.closest("a, button")) {
      sheet.hidePopover();
    }
  });
  sheet.addEventListener("toggle", (event) => {
    if (event.newState !== "closed" || !key) return;
    key.setAttribute("aria-expanded", "false");
    if (sheet.contains(document.activeElement) || document.activeElement === document.body) key.focus();
    key = null;
  });
  addEventListener("resize", () => key && place());
  document.addEventListener("scroll", (event) => key && !sheet.contains(event.target) && sheet.hidePopover(), { capture: true, passive: true });
}

/* Which key opened the menu from which an act was chosen: the focus comes back there when the act is closed. */
export function keyOf(row) {
  return row?.querySelector("[data-menu-url]") ?? null;
}
