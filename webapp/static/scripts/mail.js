/*
  My Emails beyond what htmx does by its attributes: the list is renewed without a jump. What is in an open
  conversation and its drafts are modules of their own. The pages work without them.
*/
import { showFirstOpen } from "./conversation.js";
import "./drafts.js";
import { all, announce, one, prepare, prepares } from "./page.js";

/* What polls says what it has; 304 means nothing to do. */
document.addEventListener("htmx:configRequest", (event) => {
  const { etag } = event.detail.elt.dataset;
  if (etag) event.detail.headers["If-None-Match"] = `"${etag}"`;
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, elt } = event.detail;
  if (xhr.status === 304) {
    event.detail.shouldSwap = false;
    event.detail.isError = false;
    return;
  }
  if (elt && elt.id === "list" && xhr.status === 200 && isBusy(elt)) {
    offerNews(elt, event);
  }
});

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 304) event.stopImmediatePropagation();
}, true);

/* The list is renewed where nobody is reading further down or ticking rows. */
let asked = false;

function isBusy(list) {
  if (asked) {
    asked = false;
    return false;
  }
  const pane = list.closest(".pane");
  return (pane && pane.scrollTop > 40) || all("[data-select]:checked", list).length > 0 || one("details[open]", list) !== null;
}

const rowIds = (root) => all("[data-walk-row]", root).map((row) => row.id);

function offerNews(list, event) {
  const fresh = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const known = new Set(rowIds(list));
  const changed = rowIds(fresh).filter((id) => !known.has(id)).length;
  event.detail.shouldSwap = false;
  const bar = one("#news", list);
  if (!bar || changed === 0) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-accent";
  button.textContent = `↑ ${changed} new`;
  button.addEventListener("click", () => {
    asked = true;
    list.closest(".pane").scrollTop = 0;
    for (const box of all("[data-select]:checked", list)) box.checked = false;
    document.body.dispatchEvent(new CustomEvent("postroom:changed", { detail: { kind: "asked" } }));
  });
  bar.replaceChildren(button);
  announce(`${changed} new`);
}

let before = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.elt && event.detail.elt.id === "list" && event.detail.shouldSwap) {
    const walked = one(".is-walked", event.detail.elt);
    before = { ids: new Set(rowIds(event.detail.elt)), walked: walked && walked.id, focused: document.activeElement && document.activeElement.closest("[data-walk-row]") };
  }
});

document.addEventListener("htmx:afterSettle", () => {
  markCurrent();
  if (!before) return;
  const { ids, walked, focused } = before;
  before = null;
  const list = one("#list");
  const fresh = list ? rowIds(list).filter((id) => !ids.has(id)).length : 0;
  if (fresh) announce(`${fresh} new`);
  const again = walked && document.getElementById(walked);
  if (again) {
    again.classList.add("is-walked");
    if (focused) one("a", again).focus({ preventScroll: true });
  }
});

/* The row of the conversation that is open, which htmx has put beside the list. */
function markCurrent() {
  const open = one("#pane-main .conversation");
  const id = open && open.dataset.thread ? `row-${open.dataset.thread}` : "";
  for (const row of all("#list [data-walk-row]")) {
    const isCurrent = row.id === id;
    row.classList.toggle("is-current", isCurrent);
    const link = one("a", row);
    if (isCurrent) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

prepares("[data-without-scripts]", (button) => { button.hidden = true; });
document.addEventListener("htmx:load", markCurrent);
markCurrent();
prepare(document);
if (!location.hash && one("#pane-main .conversation")) showFirstOpen(one("#pane-main"));
