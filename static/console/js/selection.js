/*
  Rows are picked by <input type=checkbox data-pick>; data-pick-all picks the page; Shift picks a range.
  .bulk[data-bulk] shows how many: data-base rows kept by the server from other pages, plus those picked here.
*/
import { attach } from "./attach.js";
import { word } from "./words.js";

let last = null;

const picks = (table) => [...table.querySelectorAll("input[data-pick]:not(:disabled)")];
const grouped = new Intl.NumberFormat("en");

function show(table) {
  const all = picks(table);
  const picked = all.filter((box) => box.checked).length;
  for (const box of all) {
    const row = box.closest("tr");
    row?.classList.toggle("picked", box.checked);
  }
  const head = table.querySelector("input[data-pick-all]");
  if (head) {
    head.checked = picked > 0 && picked === all.length;
    head.indeterminate = picked > 0 && picked < all.length;
  }
  for (const bar of document.querySelectorAll("[data-bulk]")) {
    const count = picked + Number(bar.dataset.base ?? 0);
    bar.hidden = count === 0;
    bar.toggleAttribute("data-live", count > 0);
    for (const place of bar.querySelectorAll("[data-count]")) {
      const text = word("selected", { n: grouped.format(count) });
      if (place.textContent !== text) place.textContent = text;
    }
  }
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("input[data-pick]");
  if (!box) return;
  const table = box.closest("table");
  const all = picks(table);
  if (event.shiftKey && last && all.includes(last)) {
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    for (const between of all.slice(from, to + 1)) {
      if (between.checked !== box.checked) {
        between.checked = box.checked;
        if (between !== box) between.dispatchEvent(new Event("change", { bubbles: true }));
      }
    }
  }
  last = box;
  show(table);
});

document.addEventListener("change", (event) => {
  const table = event.target.closest?.("table");
  if (!table) return;
  if (event.target.matches("input[data-pick-all]")) {
    for (const box of picks(table)) box.checked = event.target.checked;
    show(table);
  } else if (event.target.matches("input[data-pick]")) {
    show(table);
  }
});

document.addEventListener("click", (event) => {
  const clear = event.target.closest?.("[data-clear-picks]");
  const bar = clear?.closest("[data-bulk]");
  if (!bar || Number(bar.dataset.base ?? 0) > 0) return;
  event.preventDefault();
  for (const table of document.querySelectorAll("table:has(input[data-pick])")) {
    for (const box of picks(table)) box.checked = false;
    show(table);
  }
});

attach("table:has(input[data-pick])", show);
addEventListener("pageshow", () => document.querySelectorAll("table:has(input[data-pick])").forEach(show));
