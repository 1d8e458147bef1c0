/*
  An act opened in place is a <tr class="unfold"> that htmx puts after its row (hx-target="#row-42" hx-swap="afterend").
  There is one at a time; it takes the focus; data-unfold-close and Esc take it away and give the focus back to the row.
*/
import { keyOf } from "./row-menu.js";

function close(unfold) {
  const row = unfold.previousElementSibling;
  const held = unfold.contains(document.activeElement);
  unfold.remove();
  if (held) keyOf(row)?.focus();
}

document.addEventListener("htmx:load", (event) => {
  const unfold = event.target;
  if (!unfold.matches?.("tr.unfold")) return;
  for (const other of document.querySelectorAll("tr.unfold")) if (other !== unfold) other.remove();
  for (const wanted of ["[aria-invalid=true]", "[autofocus]", "input:not([type=hidden]), select, textarea", "button", "a[href]"]) {
    const first = unfold.querySelector(wanted);
    if (first) {
      first.focus({ preventScroll: true });
      break;
    }
  }
  unfold.scrollIntoView({ block: "nearest" });
  unfold.previousElementSibling?.scrollIntoView({ block: "nearest" });
});

document.addEventListener("click", (event) => {
  const closer = event.target.closest("[data-unfold-close]");
  const unfold = closer?.closest("tr.unfold");
  if (!unfold) return;
  event.preventDefault();
  close(unfold);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  const unfold = event.target.closest?.("tr.unfold");
  if (unfold) close(unfold);
});
