/* <details data-menu>: closed by a click elsewhere, by Esc, by leaving it with Tab, and by opening another one. */
const open = () => document.querySelectorAll("details[data-menu][open]");

function close(menu, refocus) {
  menu.open = false;
  if (refocus) menu.querySelector("summary").focus();
}

document.addEventListener("pointerdown", (event) => {
  for (const menu of open()) {
    const isNavigation = menu.classList.contains("navkey") && event.target.closest(".side");
    if (!menu.contains(event.target) && !isNavigation) close(menu, false);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const last = [...open()].at(-1);
  if (last) {
    event.preventDefault();
    close(last, true);
  }
});

document.addEventListener("focusin", (event) => {
  for (const menu of open()) {
    if (!menu.classList.contains("navkey") && !menu.contains(event.target)) close(menu, false);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const menu = event.target.closest?.("details[data-menu][open], [data-row-menu]");
  if (!menu) return;
  const items = [...menu.querySelectorAll("a[href], button:not([disabled])")].filter((item) => item.offsetParent);
  if (!items.length) return;
  event.preventDefault();
  const step = event.key === "ArrowDown" ? 1 : -1;
  const at = items.indexOf(document.activeElement);
  items[at < 0 ? (step > 0 ? 0 : items.length - 1) : (at + step + items.length) % items.length].focus();
});
