/*
  My Emails beyond what htmx does by its attributes: the list is renewed without a jump, the bar of
  blocked images and the folds of quotations follow what is in the frames, files are measured before
  they are sent. The pages work without this file.
*/
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function announce(text) {
    const announcer = one("#announcer");
    if (announcer) announcer.textContent = text;
  }

  /* ---- What polls says what it has; 304 means nothing to do ---- */

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

  /* ---- The list: renewed where nobody is reading further down or ticking rows ---- */

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

  document.addEventListener("htmx:afterSwap", (event) => {
    if (!event.detail.target || event.detail.target.id !== "pane-main") return;
    scrollerOf(event.detail.target).scrollTop = 0;
    const heading = one(".conversation-title :is(h1, h2)", event.detail.target);
    if (heading) announce(heading.textContent);
    if (document.activeElement && document.activeElement.closest("#list")) event.detail.target.focus({ preventScroll: true }); /* keys scroll what is read */
    showFirstOpen(event.detail.target);
  });

  /* A conversation begins where the reader left off, below the last message that is folded; one that fits is shown whole. */
  function showFirstOpen(pane) {
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

  /* ---- Frames of messages: blocked images, folded quotations ---- */

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

  /* ---- Files: measured before they travel, then added at once ---- */

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

  /* ---- A draft: what is typed is saved before anything else happens, and it is said where it is not ---- */

  const TRY_AGAIN = 5000;
  const UNSAVED = {
    0: "Not saved: the server does not answer. It is tried again.",
    401: "Not saved: you are no longer signed in. It is saved once you are.",
  };
  const SHOWS_WHAT_WAS_TYPED = [409, 422]; /* a page that refuses, with every word */
  const tabs = "BroadcastChannel" in window ? new BroadcastChannel("postroom.drafts") : null;

  const draftForm = () => one("[data-draft]");
  const isDraft = (element) => Boolean(element) && element.matches("[data-draft]");
  const isUnsaved = (form) => (form.typed || 0) !== (form.saved || 0);
  const isLost = (form) => form.isRefused || form.isElsewhere; /* where it is left now */
  const isLeaving = (form) => form.dataset.leaving !== undefined; /* what is sent is not saved any more: its draft is gone by then */
  const placeOf = (form) => new URL(form.action).pathname;
  const save = (form) => window.htmx.trigger(form, "save");

  function tell(form, ...words) {
    one("#draft-state", form).replaceChildren(...words);
  }

  document.addEventListener("input", ({ target }) => {
    if (target.type !== "file" && isDraft(target.form)) target.form.typed = (target.form.typed || 0) + 1;
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, target } = event.detail;
    if (isDraft(elt)) {
      if (isLeaving(elt) || elt.isElsewhere) event.preventDefault();
      else elt.underWay = elt.typed || 0;
    } else if (target && target.id === "pane-main" && (waitsForDraft(elt) || !mayLeave())) {
      event.preventDefault();
    }
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

  /* Send and the other buttons wait until what is typed is safe; nobody hears of it before (postroom.js counts). */
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

  function prepare() {
    for (const frame of all("iframe[data-message-frame]")) {
      if (frame.contentDocument && frame.contentDocument.readyState === "complete") prepareFrame(frame);
    }
    for (const button of all("[data-without-scripts]")) button.hidden = true;
    markCurrent();
  }

  document.addEventListener("htmx:load", prepare);
  prepare();
  for (const input of all("input[type=file][data-limit]")) if (input.files.length) measure(input); // chosen before this script came
  if (!location.hash && one("#pane-main .conversation")) showFirstOpen(one("#pane-main"));
})();
