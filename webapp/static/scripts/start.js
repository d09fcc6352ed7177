/*
  What pages do beyond what HTML does by itself. Every page works without scripts; they only save
  clicks. No inline handler, no eval, no style attribute: they run under the strict policy.
  Modules listen on the document, so that what htmx swaps in works at once; what needs each element
  is named with `prepares` and runs for the page and for every swap. What only My Emails does begins in mail.js.
*/
import { prepare } from "./page.js";
import "./looks.js";
import "./menus.js";
import "./forms.js";
import "./unsaved.js";
import "./lists.js";
import "./parts.js";
import "./keys.js"; /* last: what another module has answered is no shortcut */

prepare(document);
