/* The behaviours of the console. Each module attaches to data attributes and leaves pages usable without it. */
import "./theme.js";
import "./menus.js";
import "./row-menu.js";
import "./dialogs.js";
import "./copy.js";
import "./selection.js";
import "./unfold.js";
import "./shown-when.js";
import "./keyboard.js";
import "./palette.js";
import "./look.js";
import "./busy.js";
import "./unsaved.js";
import "./requests.js";
import "./session.js";
import "./step-up.js";
import "./scrolled.js";
