/* What is in the frame of a message: blocked images are told, and what it quotes is folded. */
import { all, one, prepares } from "./page.js";

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
