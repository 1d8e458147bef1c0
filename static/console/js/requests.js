/* What htmx asks for and does not get is said in a banner. An answer that is the sign-in page never lands in the page. */
import { banner } from "./banners.js";
import { word } from "./words.js";

function sentenceOf(xhr) {
  const type = xhr.getResponseHeader("Content-Type") ?? "";
  if (type.includes("json")) {
    try {
      const body = JSON.parse(xhr.responseText);
      return body.detail ?? body.title ?? "";
    } catch {
      return "";
    }
  }
  if (!type.includes("html")) return "";
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
  return [...page.querySelectorAll("[data-sentence]")].map((part) => part.textContent.replace(/\s+/g, " ").trim()).join(" ");
}

function referenceOf(xhr) {
  const reference = xhr.getResponseHeader("X-Request-ID");
  return reference && xhr.status >= 500 ? word("reference", { reference }) : "";
}

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  if (xhr.status === 401) {
    document.dispatchEvent(new CustomEvent("session:ended"));
    return;
  }
  const stepUp = xhr.getResponseHeader("X-Step-Up");
  if (stepUp) {
    const { elt, requestConfig } = event.detail;
    const button = requestConfig.triggeringEvent?.submitter;
    document.dispatchEvent(new CustomEvent("step-up:needed", { detail: { url: stepUp, elt, button } }));
    return;
  }
  banner("bad", sentenceOf(xhr) || word("request-failed", { status: xhr.status }), referenceOf(xhr));
});
document.addEventListener("htmx:sendError", () => banner("bad", word("request-unreachable")));
document.addEventListener("htmx:timeout", () => banner("warn", word("request-slow")));
document.addEventListener("htmx:swapError", () => banner("bad", word("request-failed", { status: "?" })));

document.addEventListener("htmx:beforeSwap", (event) => {
  const signIn = document.querySelector("[data-session-ends]")?.dataset.signInUrl;
  const answered = event.detail.xhr.responseURL;
  if (!signIn || !answered) return;
  const path = new URL(answered).pathname;
  if (path === new URL(signIn, location.href).pathname && path !== location.pathname) {
    event.detail.shouldSwap = false;
    document.dispatchEvent(new CustomEvent("session:ended"));
  }
});
