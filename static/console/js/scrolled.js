/* .sheet gets .scrolled while its table is moved sideways, and can be scrolled by keyboard whenever it scrolls at all. */
import { attach } from "./attach.js";

const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const scrolls = target.scrollWidth > target.clientWidth + 1 || target.scrollHeight > target.clientHeight + 1;
    if (scrolls && !target.hasAttribute("tabindex")) target.tabIndex = 0;
  }
});

attach(".sheet", (sheet) => {
  observer.observe(sheet);
  sheet.addEventListener("scroll", () => sheet.classList.toggle("scrolled", Math.abs(sheet.scrollLeft) > 1), { passive: true });
});
