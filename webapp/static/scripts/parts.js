/*
  Parts of pages, as htmx asks for them and swaps them in: the token on every request, errors said
  aloud, and what a part asks for when it comes: to be shown, said, in focus, open, gone or followed.
  Links that go back, and buttons that copy.
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

/* ---- Times: the words of webapp/filters.py, kept fresh ---- */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function relativeTime(at, now) {
  const seconds = Math.round((now - at) / 1000);
  const size = Math.abs(seconds);
  if (size >= 7 * 86400) return `${at.getDate()} ${MONTHS[at.getMonth()]}${at.getFullYear() === now.getFullYear() ? "" : ` ${at.getFullYear()}`}`;
  if (size < 60) return "now";
  const span = size < 3600 ? `${Math.floor(size / 60)} min` : size < 86400 ? `${Math.floor(size / 3600)} h` : `${Math.floor(size / 86400)} d`;
  return seconds > 0 ? `${span} ago` : `in ${span}`;
}

function refreshTime(time) {
  const at = new Date(time.dateTime);
  const now = new Date();
  if (Math.abs(now - at) < 7 * 86400 * 1000) time.textContent = relativeTime(at, now);
}

setInterval(() => all("time[data-relative]").forEach(refreshTime), 30000);

prepares("[data-scripted]", (element) => { element.hidden = false; });
prepares("[data-announce]", (element) => announce(element.dataset.announce));
prepares("details[data-remember]", prepareRemembered);
prepares("[data-vanish-after]", vanish);
prepares(".news-bar .button", (link) => announce(link.textContent));
prepares("a[data-lead-on]", (link) => location.replace(link.href));
prepares("time[data-relative]", refreshTime);
