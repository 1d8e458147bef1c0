/*
  A field of words with commas between them (input[data-completes="URL"]): what the last word may become is offered by the browser's own
  list. Each option is the whole field with that word finished, so that choosing one keeps the words before it.
*/
import { attach } from "./attach.js";

const WAIT = 120;
let number = 0;

attach("input[data-completes]", (field) => {
  const list = document.createElement("datalist");
  list.id = `completes-${++number}`;
  field.after(list);
  field.setAttribute("list", list.id);
  let waiting, asked;

  async function offer() {
    const [, before, begun] = field.value.match(/^(.*,\s*|\s*)([^,]*)$/s);
    asked?.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(`${field.dataset.completes}${encodeURIComponent(begun)}`, { signal: asked.signal, headers: { "HX-Request": "true" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const words = [...page.querySelectorAll("[data-text]")].map((each) => each.dataset.text);
      const used = before.toLowerCase().split(",").map((each) => each.trim());
      list.replaceChildren(...words.filter((each) => !used.includes(each.toLowerCase())).map((each) => new Option("", before + each)));
    } catch (error) {
      if (error.name !== "AbortError") list.replaceChildren();
    }
  }

  field.addEventListener("focus", offer);
  field.addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (!event.isComposing) waiting = setTimeout(offer, WAIT);
  });
});
