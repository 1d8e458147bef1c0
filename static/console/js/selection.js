/*
  Rows are picked by <input type=checkbox data-pick>; data-pick-all picks the page; Shift picks a range.
  .bulk[data-bulk] shows how many: data-base rows kept by the server from other pages, plus those picked here.
  It posts itself after each pick, one after the other: the server might take up two at once in the wrong order. An answer that
  does not know of the last pick yet is not shown: the next one is on its way.
*/
import { attach } from "./attach.js";
import { word } from "./words.js";

let last = null;
let picked = 0;
let asked = 0;

const picks = (table) => [...table.querySelectorAll("input[data-pick]:not(:disabled)")];
const grouped = new Intl.NumberFormat("en");

function show(table) {
  const all = picks(table);
  const here = all.filter((box) => box.checked).length;
  for (const box of all) {
    const row = box.closest("tr");
    row?.classList.toggle("picked", box.checked);
  }
  const head = table.querySelector("input[data-pick-all]");
  if (head) {
    head.checked = here > 0 && here === all.length;
    head.indeterminate = here > 0 && here < all.length;
  }
  for (const bar of document.querySelectorAll("[data-bulk]")) {
    const count = here + Number(bar.dataset.base ?? 0);
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
  picked += 1;
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

const isAboutPicks = (event) => event.target.matches?.("[data-bulk]") && event.detail.requestConfig?.triggeringEvent?.type === "change";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isAboutPicks(event)) asked = picked;
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (isAboutPicks(event) && asked !== picked) event.detail.shouldSwap = false;
});
