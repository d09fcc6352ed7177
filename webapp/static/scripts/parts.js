/*
  Parts of pages, as htmx asks for them and swaps them in: the token on every request, errors said
  aloud, and what a part asks for when it comes: to be shown, said, in focus, open, gone or followed.
  Links that go back, and buttons that copy. What the server tells meanwhile, and new mail that this computer tells.
*/
import { all, announce, one, prepare, prepares, toast } from "./page.js";

document.addEventListener("htmx:configRequest", (event) => {
  const token = one('meta[name="csrf-token"]');
  if (token) event.detail.headers["X-CSRFToken"] = token.content; /* also of what is only read: it names the page's organization */
  const cause = event.detail.triggeringEvent; /* none: a clock asked */
  if (!cause || cause.type.startsWith("postroom:")) event.detail.headers["X-Unasked"] = "1";
});

/* Parts of pages get their errors as JSON (webapp/errors.py): the sentence says what to do. */
function sentenceOf(xhr) {
  try {
    return JSON.parse(xhr.responseText).error;
  } catch {
    return "";
  }
}

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  if (xhr.status === 401) toast("You are no longer signed in. Reload the page to sign in again.");
  else toast(sentenceOf(xhr) || "That did not work. Nothing was changed; try again.");
});
document.addEventListener("htmx:sendError", () => toast("The server does not answer. Check your connection."));
document.addEventListener("htmx:load", ({ detail: { elt } }) => {
  prepare(elt);
  /* Of the whole page, too: by now the browser has gone where its address leads. */
  for (const element of [elt, ...all("[data-focus]", elt)]) if (element.matches("[data-focus]")) element.focus();
});

document.addEventListener("click", (event) => {
  const back = event.target.closest("a[data-back]");
  if (back && back.href === document.referrer) { /* what was typed there is still typed */
    event.preventDefault();
    history.back();
  }
  const copied = event.target.closest("[data-copy]");
  if (copied) copy(copied);
});

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast("Copied");
  } catch {
    toast("This browser does not let us copy; select the text instead.");
  }
}

function prepareRemembered(details) {
  const key = `postroom.open.${details.dataset.remember}`;
  try {
    const kept = localStorage.getItem(key);
    if (kept !== null) details.open = kept === "1";
    details.addEventListener("toggle", () => localStorage.setItem(key, details.open ? "1" : "0"));
  } catch { /* storage may be forbidden */ }
}

function vanish(element) {
  setTimeout(() => element.remove(), Number(element.dataset.vanishAfter) * 1000);
}

prepares("[data-scripted]", (element) => { element.hidden = false; });
prepares("[data-announce]", (element) => announce(element.dataset.announce));
prepares("details[data-remember]", prepareRemembered);
prepares("[data-vanish-after]", vanish);
prepares(".news-bar .button", (link) => announce(link.textContent));
prepares("a[data-lead-on]", (link) => location.replace(link.href));

/* ---- Live updates: each event of the server becomes one of the page ---- */

let waiting = new Map();
let isPausing = false;

/* The first change is shown at once; what follows within a moment is shown together. */
function changed(detail) {
  waiting.set(`${detail.mailbox || ""}/${detail.kind || ""}`, detail);
  if (!isPausing) flushChanges();
}

function flushChanges() {
  const details = [...waiting.values()];
  waiting = new Map();
  isPausing = details.length > 0;
  if (isPausing) setTimeout(flushChanges, 300);
  for (const detail of details) {
    if (typeof detail.unread_count === "number") showUnread(detail.unread_count);
    const name = detail.kind === "state" ? "postroom:state" : "postroom:changed"; /* of a mailbox, not of mail */
    document.body.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }
}

function showUnread(number) {
  for (const place of all("[data-unread-count]")) {
    place.textContent = number > 99 ? "99+" : String(number);
    place.hidden = number === 0;
  }
}

function listen(url, pause = 5000) {
  const source = new EventSource(url);
  source.onopen = () => { pause = 5000; };
  source.onmessage = (event) => {
    try {
      changed(JSON.parse(event.data));
    } catch { /* not ours */ }
  };
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => {
      changed({ kind: "reconnect" });
      listen(url, Math.min(pause * 2, 60000));
    }, pause);
  };
}

/* New mail is told to whoever wants that, while nobody looks at the page. */
const TOLD = "postroom.told";
let unreadBefore = null;
let tellsPages = "Notification" in window;

function isTold() {
  try {
    return tellsPages && Notification.permission === "granted" && localStorage.getItem(TOLD) === "1";
  } catch {
    return false; /* storage may be forbidden */
  }
}

function prepareTold(button) {
  button.hidden = !tellsPages;
  button.setAttribute("aria-checked", String(isTold()));
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-told]");
  if (!button) return;
  const wanted = !isTold();
  if (wanted && await Notification.requestPermission() !== "granted") {
    toast("Your browser does not permit that. Its settings for this site say so.");
    return;
  }
  try {
    localStorage.setItem(TOLD, wanted ? "1" : "0");
  } catch { /* isTold says no */ }
  prepareTold(button);
});

/* Words of strangers stay on the page: a locked screen shows how many conversations, and of which organization. */
function tellUnread(place) {
  if (!place.dataset.etag) return; /* nobody has counted yet */
  const number = place.hidden ? 0 : parseInt(place.textContent, 10);
  const more = unreadBefore === null ? 0 : number - unreadBefore;
  unreadBefore = number;
  if (more <= 0 || document.hasFocus() || !isTold()) return;
  try {
    const notice = new Notification(more === 1 ? "1 more unread conversation" : `${more} more unread conversations`, { body: place.dataset.organization, tag: TOLD });
    notice.addEventListener("click", () => { focus(); notice.close(); });
  } catch { /* a phone has the word, and does not do it for a page */
    tellsPages = false;
    all("[data-told]").forEach(prepareTold);
  }
}

prepares("[data-told]", prepareTold);
prepares("#unread-count", tellUnread);
if (document.body.dataset.eventsUrl && "EventSource" in window) listen(document.body.dataset.eventsUrl);
