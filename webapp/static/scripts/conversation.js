/* An open conversation: where it begins, what comes in, what is in the frames of its messages, and how it is left. */
import { draftForm, isDraft, isLost, isUnsaved, save } from "./drafts.js";
import { all, announce, one, prepares } from "./page.js";

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

/* ---- Frames of messages: blocked images are told, and what is quoted is folded ---- */

function prepareFrame(frame) {
  const inside = frame.contentDocument;
  if (!inside || !inside.body || inside.URL === "about:blank") return;
  const blocked = inside.documentElement.dataset.blockedImages;
  const bar = one("[data-images-bar]", frame.closest(".message-body"));
  if (bar) {
    bar.hidden = !blocked;
    if (blocked) one("[data-images-words]", bar).textContent = blocked === "1" ? "1 remote image is" : `${blocked} remote images are`;
  }
  foldQuotations(inside);
}

function foldQuotations(inside) {
  if (inside.body.dataset.folded) return;
  inside.body.dataset.folded = "1";
  foldAnswered(inside, inside.documentElement.dataset.quoted);
  for (const quotation of all("blockquote", inside.body)) {
    if (quotation.parentElement.closest("blockquote, details") || !comesAfterText(quotation, inside.body)) continue;
    if (quotation.style.borderStyle === "none" && quotation.getAttribute("type") !== "cite") continue; /* only indented */
    fold(inside, quotation).append(quotation);
  }
}

/* What an answer quotes down to its end without saying so, as Outlook does: the server knows how it begins. */
function foldAnswered(inside, beginning) {
  const texts = inside.createTreeWalker(inside.body, NodeFilter.SHOW_TEXT);
  while (beginning && texts.nextNode()) {
    const word = letters(texts.currentNode.data);
    if (!word || !(beginning.startsWith(word) || word.startsWith(beginning))) continue;
    let first = texts.currentNode;
    if (!lettersFrom(first, beginning.length).startsWith(beginning)) continue;
    while (first.parentElement !== inside.body && !letters(textBefore(first))) first = first.parentElement;
    if (!comesAfterText(first, inside.body) || PARTS.has(first.nodeName)) return;
    const folded = fold(inside, first);
    while (folded.nextSibling) folded.append(folded.nextSibling);
    return;
  }
}

const PARTS = new Set(["TBODY", "TR", "TD", "TH", "LI", "DT", "DD"]); /* of what would be torn apart */
const letters = (text) => text.replace(/[^\p{L}\p{N}]/gu, "");

function lettersFrom(node, count) {
  const texts = node.ownerDocument.createTreeWalker(node.ownerDocument.body, NodeFilter.SHOW_TEXT);
  texts.currentNode = node;
  let found = letters(node.data);
  while (found.length < count && texts.nextNode()) found += letters(texts.currentNode.data);
  return found;
}

function textBefore(node) {
  let text = "";
  for (let before = node.previousSibling; before; before = before.previousSibling) text += before.textContent;
  return text;
}

/* A place for what is folded, before an element. */
function fold(inside, element) {
  const folded = inside.createElement("details");
  folded.className = "quoted";
  const summary = inside.createElement("summary");
  summary.textContent = "Quoted text";
  folded.append(summary);
  element.before(folded);
  return folded;
}

function comesAfterText(element, body) {
  const range = body.ownerDocument.createRange();
  range.setStart(body, 0);
  range.setEndBefore(element);
  return range.toString().trim().length > 0;
}

document.addEventListener("load", (event) => {
  if (event.target instanceof HTMLIFrameElement && event.target.matches("[data-message-frame]")) prepareFrame(event.target);
}, true);

prepares("iframe[data-message-frame]", (frame) => {
  if (frame.contentDocument && frame.contentDocument.readyState === "complete") prepareFrame(frame);
});

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
