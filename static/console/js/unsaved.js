/* <form data-unsaved>: leaving the page asks first once something was typed. */
import { attach } from "./attach.js";

const changed = new Set();

attach("form[data-unsaved]", (form) => {
  form.addEventListener("input", () => changed.add(form));
  form.addEventListener("submit", () => changed.delete(form));
  form.addEventListener("reset", () => changed.delete(form));
});

addEventListener("beforeunload", (event) => {
  const open = [...changed].some((form) => form.isConnected && !form.closest("[hidden]"));
  if (open) event.preventDefault();
});
