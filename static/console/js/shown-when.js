/* <input data-shown-when="id of a select" data-shown-value="x">: shown only while the select says x. */
function update(input) {
  const select = document.getElementById(input.dataset.shownWhen);
  if (select) input.hidden = select.value !== input.dataset.shownValue;
}

function updateAll(root) {
  for (const input of root.querySelectorAll("[data-shown-when]")) update(input);
}

document.addEventListener("change", () => updateAll(document));
document.addEventListener("htmx:load", (event) => updateAll(event.target));
updateAll(document);
