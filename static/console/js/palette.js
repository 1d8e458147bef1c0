/*
  The command palette: Ctrl-K or ⌘-K, or a link with data-palette-open. What is typed is found by the server; arrows choose,
  Enter opens. Without scripts the link leads to a page that finds the same.
*/
import { word } from "./words.js";

const dialog = document.getElementById("palette");
const DELAY = 90;

if (dialog) {
  const box = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  const status = dialog.querySelector("[role=status]");
  const none = dialog.querySelector(".palette-none");
  const about = location.pathname.match(/\/users\/(\d+)\//)?.[1] ?? "";
  let asked = null;
  let timer = 0;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  function choose(option) {
    chosen()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) box.setAttribute("aria-activedescendant", option.id);
    else box.removeAttribute("aria-activedescendant");
    box.setAttribute("aria-expanded", String(options().length > 0));
  }

  function step(by) {
    const all = options();
    if (!all.length) return;
    const at = all.indexOf(chosen());
    choose(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]);
  }

  /* The options, or one sentence where there are none. */
  function show(parts, number, sentence = "") {
    list.replaceChildren(...parts);
    none.textContent = sentence;
    status.textContent = number || sentence;
    choose(options()[0] ?? null);
  }

  async function find() {
    asked?.abort();
    const mine = (asked = new AbortController());
    const parameters = new URLSearchParams({ q: box.value });
    if (about) parameters.set("user", about);
    if (box.value.trim().startsWith("sk-")) {
      show([], "", word("palette-key"));
      return;
    }
    try {
      const answer = await fetch(`${dialog.dataset.url}?${parameters}`, { headers: { "HX-Request": "true" }, signal: mine.signal });
      if (answer.status === 401) {
        dialog.close();
        document.dispatchEvent(new CustomEvent("session:ended"));
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine.signal.aborted) return;
      const groups = page.querySelectorAll("[role=group]");
      const number = page.querySelector("[data-number]")?.content.textContent ?? "";
      show(groups, groups.length ? number : "", page.querySelector("[data-none]")?.textContent);
    } catch (error) {
      if (error.name !== "AbortError") show([], "", word("request-unreachable"));
    } finally {
      if (asked === mine) asked = null;
    }
  }

  function open() {
    if (document.querySelector("dialog[open]")) return;
    dialog.showModal();
    box.select();
    find();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else open();
  });

  document.addEventListener("click", (event) => {
    const key = event.target.closest("[data-palette-open]");
    if (!key || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    open();
  });

  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, DELAY);
  });

  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "Enter") chosen()?.click();
    else return;
    event.preventDefault();
  });

  list.addEventListener("pointermove", (event) => {
    const option = event.target.closest("[role=option]");
    if (option && option !== chosen()) choose(option);
  });
  list.addEventListener("click", (event) => {
    if (event.target.closest("[role=option]") && !event.ctrlKey && !event.metaKey && !event.shiftKey) dialog.close();
  });
}
