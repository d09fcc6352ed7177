/* News: each event of the server becomes one of the page, and new mail is told by this computer where that is wanted. */
import { all, prepares, toast } from "./page.js";

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
