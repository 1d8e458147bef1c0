/*
  <dialog data-step-up>: asks for the password and the second factor over what was typed, when the server says so (X-Step-Up),
  and presses the button again afterwards.
*/
const dialog = document.querySelector("dialog[data-step-up]");

if (dialog) {
  const place = dialog.querySelector("[data-step-up-place]");
  let again = null;

  document.addEventListener("step-up:needed", async (event) => {
    const { url, elt, button } = event.detail;
    again = button ?? elt;
    await htmx.ajax("GET", url, { source: dialog, target: place, swap: "innerHTML" });
    if (!place.querySelector("form, .note")) return; // it was confirmed meanwhile, elsewhere
    if (!dialog.open) dialog.showModal();
    place.querySelector("input:not([type=hidden], [hidden])")?.focus();
  });

  document.addEventListener("stepped-up", () => {
    dialog.close();
    if (!again?.isConnected) return;
    if (again instanceof HTMLFormElement) again.requestSubmit();
    else again.click();
    again = null;
  });

  dialog.addEventListener("close", () => place.replaceChildren());
}
