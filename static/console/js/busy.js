/* A form is sent once: its button turns while the server works, and a second press does nothing. data-many allows more. */
import { word } from "./words.js";

function release(form) {
  delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[aria-busy=true]")) {
    if (button.form === form) {
      button.removeAttribute("aria-busy");
      button.removeAttribute("aria-description");
    }
  }
}

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.method === "dialog" || "many" in form.dataset) return;
    if ("sent" in form.dataset) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    if (form.method !== "post" && !form.matches("[hx-post]")) return;
    queueMicrotask(() => {
      if (event.defaultPrevented && !form.matches("[hx-post], [hx-put], [hx-patch], [hx-delete], [data-hx-post]")) return;
      form.dataset.sent = "";
      event.submitter?.setAttribute("aria-busy", "true");
      event.submitter?.setAttribute("aria-description", word("busy"));
    });
  },
  true,
);

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest?.("form");
  if (form) release(form);
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));
