/*
  Single keys: / search, j k rows, x select, b the bar of what is selected, Enter open, . acts, ? help. Off in fields, for those who switched them off in their
  account (data-shortcuts of the body), and in a browser where the help switched them off.
*/
const STORED = "coai.keys";

export function keysAreOn() {
  if (document.body.dataset.shortcuts === "off") return false;
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return true;
  }
}

for (const box of document.querySelectorAll("[data-keys-switch]")) {
  box.checked = keysAreOn();
  box.disabled = document.body.dataset.shortcuts === "off";
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(STORED, box.checked ? "on" : "off");
    } catch {
      box.checked = true;
    }
  });
}

const rows = () => [...document.querySelectorAll("tr[data-row]")];
const current = () => document.querySelector("tr[data-row][aria-current]");

function go(row) {
  current()?.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  row.dispatchEvent(new CustomEvent("row:current", { bubbles: true }));
}

function step(by) {
  const all = rows();
  if (!all.length) return false;
  const at = all.indexOf(current());
  go(all[Math.min(Math.max(at + by, 0), all.length - 1)] ?? all[0]);
  return true;
}

function press(selector) {
  const target = current()?.querySelector(selector);
  target?.click();
  return Boolean(target);
}

const keys = {
  "/": () => {
    const field = document.querySelector("main [data-key-search]") ?? document.querySelector("[data-key-search]");
    field?.focus();
    field?.select();
    return Boolean(field);
  },
  j: () => step(1),
  k: () => step(-1),
  x: () => press("input[data-pick]"),
  b: () => {
    const controls = document.querySelectorAll("#selection :is(button, a[href], summary)");
    const first = [...controls].find((control) => control.checkVisibility());
    first?.focus();
    return Boolean(first);
  },
  ".": () => press("[data-menu-url], details[data-menu] > summary"),
  "?": () => {
    const help = document.getElementById("keys");
    help?.showModal();
    return Boolean(help);
  },
  Enter: () => document.activeElement === current() && press("a[data-open], a.name"),
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const inField = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  const inLayer = document.querySelector("dialog[open], [popover]:popover-open, details.menu[open]");
  if (inField || inLayer || !keysAreOn()) return;
  if (event.key in keys && keys[event.key]()) event.preventDefault();
});
