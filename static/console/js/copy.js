/* <button data-copy="text">: copies the text and says so to eyes and screen readers. */
import { word } from "./words.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const name = button.dataset.copyName ?? button.getAttribute("aria-label");
  button.dataset.copyName = name;
  let said = word("copied");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
  } catch {
    said = word("copy-failed");
  }
  button.setAttribute("aria-label", said);
  button.title = said;
  let status = button.querySelector("[role=status]");
  if (!status) {
    status = document.createElement("span");
    status.className = "hush";
    status.setAttribute("role", "status");
    button.append(status);
  }
  status.textContent = said;
  setTimeout(() => {
    button.classList.remove("done");
    button.setAttribute("aria-label", name);
    button.removeAttribute("title");
    status.textContent = "";
  }, 2000);
});
