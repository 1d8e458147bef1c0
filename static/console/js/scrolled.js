/* .sheet gets .scrolled while its table is moved sideways, so that the columns that stay show their edge. */
import { attach } from "./attach.js";

attach(".sheet", (sheet) => {
  sheet.addEventListener("scroll", () => sheet.classList.toggle("scrolled", Math.abs(sheet.scrollLeft) > 1), { passive: true });
});
