/* The key of the columns ([data-columns-key]) opens their form over the list; its arrows move a column without asking the server. */
const dialog = document.getElementById("columns");

document.addEventListener("click", async (event) => {
  const key = event.target.closest("[data-columns-key]");
  if (!key || !dialog || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  await htmx.ajax("GET", key.pathname + key.search, { source: key, target: dialog.querySelector("[data-columns-place]"), swap: "innerHTML" });
  dialog.showModal();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-columns] [data-move]");
  if (!button) return;
  event.preventDefault();
  const item = button.closest("li");
  if (button.dataset.move === "-1") item.previousElementSibling?.before(item);
  else item.nextElementSibling?.after(item);
  button.focus();
  item.scrollIntoView({ block: "nearest" });
});
