/* A draft: what is typed is saved before anything else happens, and it is said where it is not; files are measured. */
import { all, one, prepares } from "./page.js";

const TRY_AGAIN = 5000;
const UNSAVED = {
  0: "Not saved: the server does not answer. It is tried again.",
  401: "Not saved: you are no longer signed in. It is saved once you are.",
};
const SHOWS_WHAT_WAS_TYPED = [409, 422]; /* a page that refuses, with every word */
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("postroom.drafts") : null;

export const draftForm = () => one("[data-draft]");
export const isDraft = (element) => Boolean(element) && element.matches("[data-draft]");
export const isUnsaved = (form) => (form.typed || 0) !== (form.saved || 0);
export const isLost = (form) => form.isRefused || form.isElsewhere; /* where it is left now */
const isLeaving = (form) => form.dataset.leaving !== undefined; /* what is sent is not saved any more: its draft is gone by then */
const placeOf = (form) => new URL(form.action).pathname;
export const save = (form) => window.htmx.trigger(form, "save");

function tell(form, ...words) {
  one("#draft-state", form).replaceChildren(...words);
}

document.addEventListener("input", ({ target }) => {
  if (target.type !== "file" && isDraft(target.form)) target.form.typed = (target.form.typed || 0) + 1;
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (!isDraft(elt)) return;
  if (isLeaving(elt) || elt.isElsewhere) event.preventDefault();
  else elt.underWay = elt.typed || 0;
});

/* A draft that is refused is not saved, though other forms are shown with what was refused. */
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!isDraft(detail.requestConfig.elt) || detail.xhr.status !== 422) return;
  detail.shouldSwap = false;
  detail.isError = true;
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt: form, successful } = event.detail;
  if (!isDraft(form) || !successful) return;
  form.saved = form.underWay;
  form.isRefused = false;
  if (tabs) tabs.postMessage(placeOf(form));
  sendWaiting(form);
  const link = form.leading;
  form.leading = null;
  if (link && link.isConnected) link.click();
});

for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, (event) => {
    const { elt: form, xhr } = event.detail;
    if (!isDraft(form)) return;
    event.stopImmediatePropagation();
    if (!isLeaving(form)) refuse(form, xhr ? xhr.status : 0);
  }, true);
}

function refuse(form, answer) {
  const status = answer === 429 || answer >= 500 ? 0 : answer; /* it will answer later */
  form.isRefused = true;
  if (SHOWS_WHAT_WAS_TYPED.includes(status)) sendWaiting(form);
  form.waiting = null;
  form.leading = null;
  const link = document.createElement("a");
  Object.assign(link, { href: form.dataset.signIn, target: "_blank", textContent: "Sign in in another tab" });
  tell(form, UNSAVED[status] || "Not saved. Copy what you typed before you leave this page.", ...(status === 401 ? [" ", link] : []));
  if (status in UNSAVED) setTimeout(() => { if (form.isConnected && isUnsaved(form)) save(form); }, TRY_AGAIN);
}

/* Send and the other buttons wait until what is typed is safe; nobody hears of it before (unsaved.js counts). */
addEventListener("submit", (event) => {
  const form = event.target;
  if (!isDraft(form) || form.isSafe || !(isUnsaved(form) || form.isElsewhere)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (form.isElsewhere) return;
  form.waiting = event.submitter;
  save(form);
}, true);

function sendWaiting(form) {
  const button = form.waiting;
  if (!button) return;
  form.waiting = null;
  form.isSafe = true;
  form.requestSubmit(button);
  form.isSafe = false;
}

addEventListener("beforeunload", (event) => {
  const form = draftForm();
  if (!form || !isUnsaved(form) || isLeaving(form)) return;
  const typed = new FormData(form);
  typed.delete("files");
  if (isLost(form) || !navigator.sendBeacon(form.action, typed)) event.preventDefault();
});

/* A draft that is open twice is written in one tab only: neither overwrites what is typed in the other. */
if (tabs) {
  tabs.addEventListener("message", ({ data }) => {
    const form = draftForm();
    if (!form || placeOf(form) !== data || form.isElsewhere) return;
    form.isElsewhere = true;
    for (const field of all("input, textarea", form)) field.readOnly = true;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button", textContent: "Go on here" });
    button.addEventListener("click", () => location.reload());
    tell(form, "You write this in another tab. ", button);
  });
}

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.defaultPrevented || !event.target.matches("[data-draft]")) return; /* pressed twice: nothing is sent */
  event.target.dataset.leaving = "";
  setTimeout(() => { delete event.target.dataset.leaving; }, 10000); /* the server did not answer */
  if (button && button.matches("[data-send]")) setTimeout(() => { button.disabled = true; });
});

/* Files are measured before they travel, then added at once. */
function measure(input) {
  const size = [...input.files].reduce((sum, file) => sum + file.size, 0);
  if (size > Number(input.dataset.limit)) {
    input.value = "";
    tell(input.form, `Not added: these files have ${(size / 1048576).toFixed(1)} MB. ${input.dataset.limitWords}`);
  } else if (input.files.length) input.form.requestSubmit(one("[data-upload]", input.form));
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input[type=file][data-limit]")) measure(event.target);
});

prepares("input[type=file][data-limit]", (input) => { if (input.files.length) measure(input); }); /* chosen before this script came */
