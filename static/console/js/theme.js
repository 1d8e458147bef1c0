/* data-theme-choice="light|dark|system": the choice is a cookie, so that the server's first byte has the right colours. */
const root = document.documentElement;
const buttons = document.querySelectorAll("[data-theme-choice]");
const YEAR = 365 * 24 * 3600;

function show() {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.themeChoice === root.dataset.theme));
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    root.dataset.theme = button.dataset.themeChoice;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${root.dataset.theme}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
    show();
  });
}
show();
