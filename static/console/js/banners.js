/* A banner in the page's messages, made by a script: never more than one of a kind, and never silent. */
import { word } from "./words.js";

export function banner(kind, text, more = "") {
  const place = document.getElementById("messages");
  if (!place) return;
  place.querySelectorAll("[data-scripted]").forEach((old) => old.remove());
  const note = document.createElement("div");
  note.className = `note ${kind}`;
  note.dataset.scripted = "";
  note.tabIndex = -1;
  const words = document.createElement("div");
  words.className = "note-text";
  words.textContent = text;
  if (more) {
    const small = document.createElement("small");
    small.className = "mute";
    small.textContent = ` ${more}`;
    words.append(small);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn";
  close.textContent = word("dismiss");
  close.addEventListener("click", () => note.remove());
  note.append(words, close);
  place.append(note);
  note.scrollIntoView({ block: "nearest" });
}
