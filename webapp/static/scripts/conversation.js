/* An open conversation: where it begins, what comes in, and how it is left. */
import { draftForm, isDraft, isLost, isUnsaved, save } from "./drafts.js";
import { announce, one } from "./page.js";

document.addEventListener("htmx:afterSwap", (event) => {
  if (!event.detail.target || event.detail.target.id !== "pane-main") return;
  scrollerOf(event.detail.target).scrollTop = 0;
  const heading = one(".conversation-title :is(h1, h2)", event.detail.target);
  if (heading) announce(heading.textContent);
  if (document.activeElement && document.activeElement.closest("#list")) event.detail.target.focus({ preventScroll: true }); /* keys scroll what is read */
  showFirstOpen(event.detail.target);
});

/* A conversation begins where the reader left off, below the last message that is folded; one that fits is shown whole. */
export function showFirstOpen(pane) {
  const scroller = scrollerOf(pane);
  const head = one(".conversation-head", pane);
  const messages = one(".messages", pane);
  const first = one(".message-fold[open]", pane);
  const before = first && first.closest(".message").previousElementSibling;
  if (!before || !head || messages.getBoundingClientRect().bottom <= innerHeight) return;
  scroller.scrollTop += before.getBoundingClientRect().top - head.getBoundingClientRect().bottom - 12;
}

/* What moves when a pane is scrolled: on a phone the whole page. */
const scrollerOf = (pane) => (getComputedStyle(pane).overflowY === "visible" ? document.scrollingElement : pane);

/* New messages of the open conversation come in below what is read: nothing moves, it is only said. */
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.elt || event.detail.elt.id !== "watch" || event.detail.xhr.status !== 200) return;
  const found = event.detail.xhr.responseText.match(/data-news="(\d+)"\s+data-new-notes="(\d+)"/);
  const [messages, notes] = found ? found.slice(1).map(Number) : [0, 0];
  if (messages) announce(messages === 1 ? "A new message in this conversation" : `${messages} new messages in this conversation`);
  else if (notes) announce(notes === 1 ? "A new note in this conversation" : `${notes} new notes in this conversation`);
});

/* A conversation that is no more is asked for no more; it is said where its news would come. */
document.addEventListener("htmx:responseError", (event) => {
  const { elt, xhr } = event.detail;
  if (elt.id !== "watch" || xhr.status !== 404) return;
  event.stopImmediatePropagation();
  const gone = document.createElement("p");
  Object.assign(gone, { className: "callout callout-warn", textContent: "This conversation was joined with another, or deleted, or is no longer yours to read." });
  elt.replaceWith(gone);
  announce(gone.textContent);
}, true);

/* ---- Leaving it for another: what is typed is saved first, or its writer is asked ---- */

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, target } = event.detail;
  if (isDraft(elt) || !target || target.id !== "pane-main") return;
  if (waitsForDraft(elt) || !mayLeave()) event.preventDefault();
});

/* Whoever leaves a draft goes on once it is saved. */
function waitsForDraft(link) {
  const form = draftForm();
  if (!form || !isUnsaved(form) || isLost(form)) return false;
  form.leading = link;
  save(form);
  return true;
}

/* What is swapped is left as a page is: whoever has something unsaved says so in the same way. */
function mayLeave() {
  return dispatchEvent(new Event("beforeunload", { cancelable: true })) || confirm("Leave? What you typed here is not saved, and would be lost.");
}

let shownAt = location.href;
for (const moved of ["htmx:pushedIntoHistory", "htmx:historyRestore"]) {
  document.addEventListener(moved, () => { shownAt = location.href; });
}

document.addEventListener("htmx:historyCacheMiss", (event) => {
  if (mayLeave()) return;
  event.preventDefault();
  history.pushState({ htmx: true }, "", shownAt);
});
