/*
  <dialog data-session-ends data-idle-ends data-absolute-ends data-server-now data-ping-url>: warns three minutes before
  the session ends, keeps what was typed when it has ended, and fetches a fresh CSRF token after signing in again.
  GET ping → {authenticated, csrf, idle_ends, absolute_ends} without prolonging; POST prolongs and answers the same.
*/
const WARN = 3 * 60 * 1000;
const dialog = document.querySelector("dialog[data-session-ends]");

if (dialog) {
  const url = dialog.dataset.pingUrl;
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("coai.session") : null;
  const skew = Date.parse(dialog.dataset.serverNow) - Date.now();
  let idleEnds = Date.parse(dialog.dataset.idleEnds);
  let absoluteEnds = Date.parse(dialog.dataset.absoluteEnds);
  let ended = false;
  let quiet = 0;
  let timer = 0;

  const now = () => Date.now() + (Number.isFinite(skew) ? skew : 0);
  const ends = () => Math.min(idleEnds || Infinity, absoluteEnds || Infinity);

  const show = (part) => {
    for (const each of dialog.querySelectorAll("[data-session-part]")) each.hidden = each.dataset.sessionPart !== part;
    const title = dialog.querySelector(`[data-session-part=${part}] [data-session-title]`);
    for (const each of dialog.querySelectorAll("[data-session-title]")) each.removeAttribute("id");
    title.id = "session-title";
    if (!dialog.open) dialog.showModal();
  };

  const token = (value) => {
    if (!value) return;
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": value }));
    for (const input of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) input.value = value;
  };

  const take = (answer) => {
    if (!answer.authenticated) {
      end();
      return;
    }
    token(answer.csrf);
    idleEnds = Date.parse(answer.idle_ends);
    absoluteEnds = Date.parse(answer.absolute_ends);
    if (ended) {
      ended = false;
      show("back");
    } else if (dialog.open && ends() - now() > WARN) {
      dialog.close();
    }
    plan();
  };

  const csrf = () => {
    try {
      return JSON.parse(document.body.getAttribute("hx-headers") ?? "{}")["X-CSRFToken"] ?? "";
    } catch {
      return "";
    }
  };

  const ask = async (method) => {
    const headers = { Accept: "application/json" };
    if (method === "POST") headers["X-CSRFToken"] = csrf();
    const response = await fetch(url, { method, headers, credentials: "same-origin", redirect: "manual", cache: "no-store" });
    if (response.status === 401 || response.type === "opaqueredirect") return { authenticated: false };
    if (!response.ok) throw new Error(String(response.status));
    return response.json();
  };

  const check = async (method = "GET") => {
    try {
      take(await ask(method));
      return true;
    } catch {
      return false;
    }
  };

  function end() {
    ended = true;
    clearTimeout(timer);
    show("ended");
  }

  function tick() {
    const left = ends() - now();
    if (left <= 0) {
      check().then((answered) => answered || end());
      return;
    }
    const seconds = Math.ceil(left / 1000);
    for (const place of dialog.querySelectorAll("[data-session-left]")) {
      place.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    }
    timer = setTimeout(tick, 1000);
  }

  async function warn() {
    /* Another tab, or htmx here, may have prolonged the session meanwhile: the server knows. */
    await check();
    if (ended || ends() - now() > WARN) return;
    const part = absoluteEnds && absoluteEnds <= (idleEnds || Infinity) ? "absolute" : "idle";
    clearTimeout(timer);
    if (quiet !== ends()) show(part);
    tick();
  }

  function plan() {
    clearTimeout(timer);
    const left = ends() - now();
    if (!Number.isFinite(left)) return;
    if (left > WARN) timer = setTimeout(warn, Math.min(left - WARN, 2 ** 31 - 1));
    else timer = setTimeout(tick, left > 0 ? 0 : 5000);
  }

  dialog.querySelector("[data-session-stay]").addEventListener("click", async () => {
    if (await check("POST")) channel?.postMessage("prolonged");
  });
  for (const button of dialog.querySelectorAll("[data-session-close]")) {
    button.addEventListener("click", () => {
      quiet = ends();
      dialog.close();
    });
  }
  dialog.addEventListener("cancel", () => {
    quiet = ends();
  });
  channel?.addEventListener("message", () => check());
  document.addEventListener("session:ended", end);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && (ended || ends() - now() < WARN)) check();
  });
  addEventListener("focus", () => ended && check());
  if (ends() - now() > WARN) plan();
  else warn();
}
