/*
  The search box (input[data-offers]) as a combobox: while one types, what may follow is offered in a list. Arrows choose, Enter or
  Tab takes, Esc closes; without a choice Enter searches. A wrong word is marked below the box, and the cursor stands on it.
*/
const box = document.querySelector("main input[data-offers]");
const list = box?.parentElement.querySelector("[role=listbox]");
const place = document.getElementById("query-error");
const WAIT = 120;
let waiting, asked;

function close() {
  clearTimeout(waiting);
  asked?.abort();
  list.hidden = true;
  list.replaceChildren();
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

const chosen = () => list.querySelector("[aria-selected=true]");

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", option.id);
}

async function offer() {
  const text = box.value.slice(0, box.selectionStart);
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch(`${box.dataset.offers}?${new URLSearchParams({ q: text })}`, { signal: asked.signal, headers: { "HX-Request": "true" } });
    if (!answer.ok || answer.redirected) return close();
    const options = new DOMParser().parseFromString(`<ul>${await answer.text()}</ul>`, "text/html").querySelectorAll("[role=option]");
    if (!options.length || document.activeElement !== box) return close();
    list.replaceChildren(...options);
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
    box.removeAttribute("aria-activedescendant");
  } catch (error) {
    if (error.name !== "AbortError") close();
  }
}

function take(option) {
  const start = Number(option.dataset.start);
  const behind = box.value.slice(box.selectionStart);
  const wantsMore = "more" in option.dataset;
  const text = box.value.slice(0, start) + option.dataset.text + (wantsMore || behind ? "" : " ");
  box.value = text + behind;
  box.setSelectionRange(text.length, text.length);
  close();
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

function start() {
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", list.id);
  box.setAttribute("aria-expanded", "false");

  box.addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (!event.isComposing) waiting = setTimeout(offer, WAIT);
  });
  box.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("[role=option]");
    event.preventDefault(); // the box keeps the focus
    if (option) take(option);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const options = [...list.children];
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) return;
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      const at = options.indexOf(chosen());
      choose(options[at < 0 ? (step > 0 ? 0 : options.length - 1) : (at + step + options.length) % options.length]);
    } else if ((event.key === "Enter" || event.key === "Tab") && chosen()) {
      event.preventDefault();
      take(chosen());
    } else if (event.key === "Enter") {
      close();
    }
  });
}

/* What was wrong is forgotten when another list comes; what is wrong now gets the cursor, once the search was asked for by Enter. */
function forget() {
  place?.replaceChildren();
  box?.removeAttribute("aria-invalid");
  box?.removeAttribute("aria-describedby");
}

function mark(byEnter) {
  const wrong = place?.querySelector("[data-query-error]");
  if (!wrong) return;
  box.setAttribute("aria-invalid", "true");
  box.setAttribute("aria-describedby", place.id);
  if (!byEnter) return;
  const indent = box.value.length - box.value.trimStart().length;
  box.focus();
  box.setSelectionRange(indent + Number(wrong.dataset.start), indent + Number(wrong.dataset.end));
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target === place) mark(event.detail.requestConfig?.triggeringEvent?.type === "submit");
  else if (event.target.matches?.("[data-listing]") || event.detail.elt?.matches?.("[data-listing]")) forget();
});

if (box && list) {
  start();
  mark(true);
}
