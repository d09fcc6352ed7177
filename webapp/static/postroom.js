/*
  What pages do beyond what HTML does by itself. Every page works without this file; it only saves
  clicks. No inline handler, no eval, no style attribute: it runs under the strict policy.
  Parts listen on the document, so that what htmx swaps in works at once; `prepare(root)` does what
  needs each element and runs for the page and for every swap.

  In this order, each behind a line with ----: theme, menus and dialogs, pickers, forms, unsaved changes,
  selecting, lists in an order, times, frames of messages, paper, live updates, telling, htmx, keys, commands,
  small things;
  `prepare` is the last of them and names all that needs an element. It is one file on purpose: a browser
  fetches it once and keeps it for as long as its version lasts. What only the mail pages do is in mail.js.
*/
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const visible = (element) => element.getClientRects().length > 0;
  const shortcutsAreOn = () => document.body.dataset.shortcuts !== "off";

  function announce(text) {
    const announcer = one("#announcer");
    if (announcer) announcer.textContent = text;
  }

  function toast(text) {
    const toasts = one("#toasts");
    if (!toasts) return;
    const line = document.createElement("div");
    line.className = "toast";
    line.textContent = text;
    toasts.append(line);
    setTimeout(() => line.remove(), 4000 + 60 * text.length); /* as long as it takes to read */
  }

  /* ---- Theme: light, dark or as the system; frames of messages are told too ---- */

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function chooseTheme(theme) {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === "auto") localStorage.removeItem("postroom.theme");
      else localStorage.setItem("postroom.theme", theme);
    } catch { /* storage may be forbidden: the choice then lasts for the page */ }
    tellFramesTheTheme();
  }

  function tellFramesTheTheme() {
    for (const frame of all("iframe[data-message-frame]")) {
      const root = frame.contentDocument && frame.contentDocument.documentElement;
      if (root) root.dataset.theme = isDark() ? "dark" : "light";
    }
  }

  function prepareTheme() {
    const choice = one("[data-theme-choice]");
    if (!choice) return;
    choice.hidden = false;
    const chosen = document.documentElement.dataset.theme || "auto";
    for (const radio of all("input", choice)) radio.checked = radio.value === chosen;
    choice.addEventListener("change", (event) => chooseTheme(event.target.value));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellFramesTheTheme);
  }

  /* ---- Menus (details) and dialogs ---- */

  function closeMenus(except = null) {
    for (const menu of all("details[data-menu][open]")) {
      if (menu !== except && !(except && menu.contains(except))) menu.open = false;
    }
  }

  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("details[data-menu]"));
    const opener = event.target.closest("[data-dialog]");
    if (opener && openDialog(opener.dataset.dialog)) {
      event.preventDefault();
      closeMenus();
    }
    if (event.target instanceof HTMLDialogElement && event.target.open) {
      const box = event.target.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside && event.detail > 0) event.target.close();
    }
    const back = event.target.closest("a[data-back]");
    if (back && back.href === document.referrer) { /* what was typed there is still typed */
      event.preventDefault();
      history.back();
    }
    const copied = event.target.closest("[data-copy]");
    if (copied) copy(copied);
    if (event.target.closest("[data-print]")) printWhole();
    const inserted = event.target.closest("[data-insert]");
    if (inserted) insertText(inserted);
  });

  function openDialog(id) {
    const dialog = document.getElementById(id);
    if (!(dialog instanceof HTMLDialogElement)) return false;
    if (id === "commands") fillCommands("");
    if (!dialog.open) dialog.showModal();
    return true;
  }

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      toast("Copied");
    } catch {
      toast("This browser does not let us copy; select the text instead.");
    }
  }

  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest("details[data-menu][open]");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!menu || !step || isTyping(event.target)) return;
    const items = all(".menu-item", menu).filter(visible);
    const next = items[(items.indexOf(document.activeElement) + step + items.length) % items.length];
    if (next) next.focus();
    event.preventDefault();
  });

  // Arrow keys move between the boxes of a matrix; Tab and Space work as everywhere.
  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest("[data-matrix] td");
    const step = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
    if (!cell || !step) return;
    const rows = all("tr", cell.closest("tbody"));
    let row = rows.indexOf(cell.parentNode);
    let column = cell.cellIndex;
    do {
      row += step[0];
      column += step[1];
      const there = rows[row] && rows[row].cells[column];
      if (!there) return;
      const box = one("input:not([disabled])", there);
      if (box) {
        box.focus();
        event.preventDefault();
        return;
      }
    } while (true);
  });

  /* ---- Pickers: from the search into what it found, and up and down in it ---- */

  document.addEventListener("keydown", (event) => {
    const picker = event.target.closest("[data-picker]");
    if (!picker) return;
    const isSearch = event.target.matches("[data-picker-search]");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] || (event.key === "Enter" && isSearch ? 1 : 0);
    if (!step) return;
    event.preventDefault();
    const stops = [one("[data-picker-search]", picker), ...all(".picker-result", picker)];
    const next = stops[stops.indexOf(event.target) + step];
    if (next) next.focus();
  });

  /* ---- Forms: typed confirmations, passwords demanded anew, inherited settings, rows ---- */

  function checkTyped(input) {
    input.setCustomValidity(input.value.trim() === input.dataset.typed ? "" : `Type “${input.dataset.typed}” exactly.`);
  }

  function checkPassword(password) {
    const changed = password.dataset.anewWhen.split(" ").some((id) => {
      const control = document.getElementById(id);
      return control && isChanged(control);
    });
    password.required = changed;
    const hint = one(`[data-anew-hint="${password.id}"]`);
    if (hint) hint.hidden = !changed;
  }

  function prepareSetting(box) {
    const control = one("[data-setting-control]", box.closest("[data-setting]"));
    if (control) control.inert = box.checked;
  }

  /* Who inherits after all takes back what was typed: the box says what counts. */
  function restoreSetting(box) {
    if (!box.checked) return;
    for (const control of all("input, textarea, select", one("[data-setting-control]", box.closest("[data-setting]")))) {
      if (control.matches("select")) for (const option of control.options) option.selected = option.defaultSelected;
      else if (control.type === "checkbox") control.checked = control.defaultChecked;
      else control.value = control.defaultValue;
    }
  }

  /* data-shown-when="name=value|value": shown while the control of that name in the same form says so. */
  function prepareShown(element) {
    const form = element.closest("form");
    if (!form) return;
    const [name, wanted] = element.dataset.shownWhen.split("=");
    const show = () => {
      const values = all(`[name="${CSS.escape(name)}"]`, form)
        .filter((control) => !["checkbox", "radio"].includes(control.type) || control.checked)
        .map((control) => control.value);
      element.hidden = !wanted.split("|").some((value) => values.includes(value)) && !one(".field-errors", element);
    };
    form.addEventListener("change", (event) => { if (event.target.name === name) show(); });
    show();
  }

  /* A variable goes into the text field that had the cursor, else into the first open one. */
  let lastInsertable = null;
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-insertable]")) lastInsertable = event.target;
  });

  function insertText(button) {
    const field = lastInsertable && lastInsertable.isConnected ? lastInsertable : all("textarea[data-insertable]").find(visible);
    if (!field) return;
    field.focus();
    field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    announce(`${button.dataset.insert} inserted`);
  }

  /* data-fill: a button fills fields of its form, {"name": value}, instead of asking the server to. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-fill]");
    if (!button || !button.form) return;
    event.preventDefault();
    for (const [name, value] of Object.entries(JSON.parse(button.dataset.fill))) {
      const control = button.form.elements.namedItem(name);
      if (!(control instanceof Element)) continue;
      if (control.type === "checkbox") control.checked = value === true;
      else control.value = String(value);
      for (const kind of ["input", "change"]) control.dispatchEvent(new Event(kind, { bubbles: true }));
    }
    announce("The settings were filled in");
    toast("Filled in. Nothing is saved yet.");
  });

  function isChanged(control) {
    if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
    if (control instanceof HTMLSelectElement) {
      const options = [...control.options];
      const before = options.some((option) => option.defaultSelected);
      return options.some((option, place) => option.selected !== (before ? option.defaultSelected : place === 0 && !control.multiple));
    }
    return control.value !== control.defaultValue;
  }

  function addRow(rows) {
    const list = one("[data-rows-list]", rows);
    const used = all("[name]", list).map((control) => Number((control.name.match(/-(\d+)-/) || [0, -1])[1]));
    const next = String(Math.max(-1, ...used) + 1);
    const template = one("[data-rows-template]", rows);
    const row = template.content.cloneNode(true);
    for (const element of all("*", row)) {
      for (const attribute of [...element.attributes]) {
        if (attribute.value.includes("__index__")) element.setAttribute(attribute.name, attribute.value.replaceAll("__index__", next));
      }
    }
    list.append(row);
    prepare(list.lastElementChild);
    const control = one("select, input", list.lastElementChild);
    if (control) control.focus();
  }

  function prepareCondition(row) {
    const field = one("select[name$='-field']", row);
    const operator = one("select[name$='-operator']", row);
    const header = one(".condition-header", row);
    const value = one(".condition-value", row);
    const show = () => {
      if (header && field) header.hidden = field.value !== "header";
      if (value && operator) value.hidden = /empty/.test(operator.value);
    };
    for (const control of [field, operator]) if (control) control.addEventListener("change", show);
    show();
  }

  document.addEventListener("click", (event) => {
    const rows = event.target.closest("[data-rows]");
    if (!rows) return;
    if (event.target.closest("[data-rows-add]")) {
      event.preventDefault();
      addRow(rows);
    } else if (event.target.closest("[data-rows-remove]")) {
      event.preventDefault();
      event.target.closest("[data-row]").remove();
      one("[data-rows-add]", rows).focus();
    } else return;
    touched(rows.closest("form"));
  });

  /* ---- Unsaved changes: what will change, and a warning before leaving ---- */

  const dirtyForms = new Set();

  const isGuarded = (form) => form && (form.matches("[data-guard]") || one("[data-save-bar]", form) !== null);

  function labelOf(control) {
    const setting = control.closest("[data-setting]");
    const group = control.closest("fieldset, [role=group]");
    const label = setting && one(".field-label", setting)
      || (control.type === "radio" || control.type === "checkbox" && group && all("input", group).length > 1 ? group && one("legend", group) : null)
      || (control.labels && control.labels[0]);
    const text = label ? [...label.childNodes].filter((node) => !node.classList || !node.classList.contains("required")).map((node) => node.textContent).join("") : control.getAttribute("aria-label");
    return (text || control.name).trim().replace(/\s+/g, " ");
  }

  /* What was changed in a form: its controls, and the parts of which the server says so (data-changed). */
  function changedIn(form) {
    const quiet = ["hidden", "submit", "button", "search"];
    const changed = [...form.elements].filter((control) => control.name && control.name !== "csrf_token" && !quiet.includes(control.type) && !control.closest("[data-changed]") && isChanged(control));
    const found = changed.map((control) => ({ element: control, label: labelOf(control) }));
    for (const part of all("[data-changed]", form)) found.push({ element: part, label: part.dataset.changed });
    for (const rows of all("[data-rows]", form)) {
      if (Number(rows.dataset.rowsBefore) !== all("[data-row]", one("[data-rows-list]", rows)).length) found.push({ element: rows, label: "Conditions" });
    }
    return found;
  }

  function touched(form) {
    if (!isGuarded(form)) return;
    const changes = changedIn(form);
    const labels = [...new Set(changes.map((change) => change.label))];
    const isUnsaved = "unsaved" in form.dataset || one("[data-save-bar][data-unsaved]", form) !== null; /* typed before, and only looked at by the server */
    const isDirty = labels.length > 0 || isUnsaved;
    if (isDirty) dirtyForms.add(form);
    else dirtyForms.delete(form);
    for (const mark of all("[data-section-changed]")) {
      const section = document.getElementById(mark.closest("a").hash.slice(1));
      if (section && form.contains(section)) mark.hidden = !changes.some((change) => section.contains(change.element));
    }
    const bar = one("[data-save-bar]", form);
    if (!bar) return;
    bar.classList.toggle("is-dirty", isDirty);
    if ("saveBarQuiet" in bar.dataset) bar.hidden = !isDirty;
    const shown = labels.slice(0, 4).join(", ") + (labels.length > 4 ? ` and ${labels.length - 4} more` : "");
    const otherwise = isUnsaved ? "What you typed is not saved yet." : "Nothing changed yet.";
    const number = labels.length === 1 ? "1 change" : `${labels.length} changes`;
    one("[data-save-summary]", bar).textContent = labels.length && !isUnsaved ? `${number}: ${shown}.` : otherwise;
  }

  document.addEventListener("input", (event) => {
    const control = event.target;
    if (control.matches("[data-typed]")) checkTyped(control);
    if (control.matches("[data-setting-inherits]")) {
      prepareSetting(control);
      restoreSetting(control);
    }
    if (control.form) {
      for (const password of all("[data-anew-when]", control.form)) checkPassword(password);
      touched(control.form);
    }
    const search = control.closest("[data-quick-search]");
    if (search) quickSearch(search, control.value);
  });
  document.addEventListener("reset", (event) => setTimeout(() => touched(event.target)));
  addEventListener("beforeunload", (event) => {
    for (const form of dirtyForms) if (!form.isConnected) dirtyForms.delete(form);
    if (dirtyForms.size) event.preventDefault();
  });

  /*
    ---- Pressed twice: a form is sent once by the same button, and whoever follows what is sent hears of it once.
    Where a file is the answer the page stays, and it may go again soon. What htmx sends is its own to order. ----
  */

  const sent = new WeakMap();
  const SENT_FOR = 3000;

  function isPressedTwice({ target, submitter, timeStamp }) {
    if (target.getAttribute("method") !== "post") return false; /* it changes nothing */
    const last = sent.get(target);
    if (last && last.submitter === submitter && timeStamp - last.timeStamp < SENT_FOR) return true;
    sent.set(target, { submitter, timeStamp });
    return false;
  }

  document.addEventListener("submit", (event) => {
    if (isPressedTwice(event)) event.preventDefault();
    else dirtyForms.delete(event.target);
  }, true);
  addEventListener("pageshow", (event) => {
    if (event.persisted) for (const form of document.forms) sent.delete(form);
  });

  function quickSearch(search, words) {
    const target = document.getElementById(search.dataset.quickSearch);
    if (!target) return;
    const wanted = words.trim().toLowerCase();
    for (const item of all("li, [data-setting], .tree-link", target)) {
      const text = (item.dataset.searchText || item.textContent).toLowerCase();
      item.hidden = wanted !== "" && !text.includes(wanted);
    }
    for (const group of all("details", target)) {
      const hit = all("li:not([hidden])", group).length > 0;
      group.hidden = wanted !== "" && !hit;
      if (wanted !== "" && hit) group.open = true;
    }
  }

  /* ---- Selecting in tables, lists and trees ---- */

  let lastTicked = null;

  function prepareSelection(area) {
    const boxes = all("[data-select]:not(:disabled)", area);
    const ticked = boxes.filter((box) => box.checked);
    const top = one("[data-select-all]", area) || one(`[data-select-all="${area.id}"]`);
    if (top) {
      top.checked = boxes.length > 0 && ticked.length === boxes.length;
      top.indeterminate = ticked.length > 0 && ticked.length < boxes.length;
    }
    for (const form of new Set(boxes.map((box) => box.form))) {
      if (!form || !form.matches("[data-bulk-bar]")) continue;
      form.hidden = ticked.length === 0;
      const count = one("[data-bulk-count]", form);
      count.textContent = `${ticked.length} ${ticked.length === 1 ? count.dataset.noun : count.dataset.nouns} selected`;
    }
  }

  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
    const named = box.dataset.selectAll;
    const area = named ? document.getElementById(named) : box.closest("[data-selectable]");
    if (!area) return;
    if ("selectAll" in box.dataset) {
      for (const other of all("[data-select]:not(:disabled)", area)) other.checked = box.checked;
    } else if (event.shiftKey && lastTicked && area.contains(lastTicked)) {
      const boxes = all("[data-select]:not(:disabled)", area);
      const ends = [boxes.indexOf(lastTicked), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const other of boxes.slice(ends[0], ends[1] + 1)) other.checked = box.checked;
    }
    lastTicked = box;
    prepareSelection(area);
    if (box.form) touched(box.form);
  });

  /* ---- Lists in an order: rows are dragged, or walk with the arrow keys on their handle ---- */

  const sortedRows = (area) => all("[data-sort-id]", area);
  let dragged = null;

  function placeRow(row, place) {
    const rows = sortedRows(row.closest("[data-sortable]"));
    const before = rows.indexOf(row);
    const other = rows[place];
    if (!other || other === row) return false;
    if (place < before) other.before(row);
    else other.after(row);
    return true;
  }

  async function sendOrder(area) {
    const body = new URLSearchParams({ quietly: "1", csrf_token: one('meta[name="csrf-token"]').content });
    for (const row of sortedRows(area)) body.append("order", row.dataset.sortId);
    const answer = await fetch(area.dataset.sortable, { method: "POST", body }).catch(() => null);
    if (!answer || !answer.ok) {
      toast("The order was not saved. Reload the page and try again.");
      return;
    }
    toast("Order saved");
    for (const words of all(`[data-sorted="${CSS.escape(area.id)}"]`)) words.hidden = false;
  }

  document.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest("[data-sort-handle]");
    if (!handle || event.button !== 0) return;
    handle.setPointerCapture(event.pointerId);
    dragged = { row: handle.closest("[data-sort-id]"), isMoved: false };
    dragged.row.classList.add("is-dragged");
  });
  document.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const rows = sortedRows(dragged.row.closest("[data-sortable]"));
    const place = rows.findIndex((row) => {
      const box = row.getBoundingClientRect();
      return event.clientY >= box.top && event.clientY < box.bottom;
    });
    if (place >= 0 && placeRow(dragged.row, place)) dragged.isMoved = true;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => {
      if (!dragged) return;
      dragged.row.classList.remove("is-dragged");
      if (dragged.isMoved) sendOrder(dragged.row.closest("[data-sortable]"));
      dragged = null;
    });
  }
  document.addEventListener("keydown", (event) => {
    const handle = event.target.closest("[data-sort-handle]");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!handle || !step) return;
    event.preventDefault();
    const row = handle.closest("[data-sort-id]");
    const area = row.closest("[data-sortable]");
    const place = sortedRows(area).indexOf(row) + step;
    if (!placeRow(row, place)) return;
    handle.focus();
    announce(`Place ${place + 1} of ${sortedRows(area).length}`);
    clearTimeout(area.sending);
    area.sending = setTimeout(() => sendOrder(area), 500);
  });

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

  function refreshTimes(root = document) {
    const now = new Date();
    for (const time of all("time[data-relative]", root)) {
      const at = new Date(time.dateTime);
      if (Math.abs(now - at) < 7 * 86400 * 1000) time.textContent = relativeTime(at, now);
    }
  }
  setInterval(refreshTimes, 30000);

  /* ---- Frames of messages: as high as what they hold ---- */

  function fitFrame(frame) {
    const inside = frame.contentDocument;
    if (!inside || !inside.body) return;
    frame.style.height = "0";
    const height = Math.max(inside.body.scrollHeight, inside.documentElement.scrollHeight);
    frame.style.height = `${Math.min(height + 2, 20000)}px`;
    const bar = frame.clientHeight - inside.documentElement.clientHeight; /* by which a wide table is pushed sideways */
    if (bar) frame.style.height = `${Math.min(height + bar + 2, 20000)}px`;
  }

  function prepareFrame(frame) {
    const fit = () => {
      const inside = frame.contentDocument;
      if (!inside || !inside.body || inside.URL === "about:blank") return;
      inside.documentElement.dataset.theme = isDark() ? "dark" : "light";
      fitFrame(frame);
      inside.addEventListener("toggle", () => fitFrame(frame), true);
      inside.addEventListener("load", () => fitFrame(frame), true);
      inside.addEventListener("keydown", (event) => { if (event.key === "Escape") frame.blur(); });
    };
    frame.addEventListener("load", fit);
    if (frame.contentDocument && frame.contentDocument.readyState === "complete") fit();
    let width = 0;
    new ResizeObserver(([entry]) => {
      if (entry.contentRect.width === width) return;
      width = entry.contentRect.width;
      fitFrame(frame);
    }).observe(frame);
  }

  /* ---- Paper: every message whole, in a frame as high as its text is there ---- */

  const PAPER = "40rem"; /* narrower than most panes */
  let unfolded = [];

  const isLoaded = ({ contentDocument: inside }) => inside && inside.URL !== "about:blank" && inside.readyState === "complete";

  function loaded(frame) {
    return isLoaded(frame) || new Promise((resolve) => {
      frame.addEventListener("load", resolve, { once: true });
      frame.loading = "eager";
    });
  }

  /* What is folded or further down has not been loaded, and the browser prints without waiting for it. */
  async function printWhole() {
    await Promise.all(all("iframe[data-message-frame]").map(loaded));
    print();
  }

  function fitFrames(width) {
    for (const frame of all("iframe[data-message-frame]")) {
      frame.style.width = width;
      if (isLoaded(frame)) frame.contentDocument.documentElement.classList.toggle("is-paper", width === PAPER);
      fitFrame(frame);
    }
  }

  addEventListener("beforeprint", () => {
    unfolded = all(".message-fold:not([open])").filter((fold) => all("iframe", fold).every(isLoaded));
    for (const fold of unfolded) fold.open = true;
    fitFrames(PAPER);
  });

  addEventListener("afterprint", () => {
    for (const fold of unfolded) fold.open = false;
    fitFrames("");
  });

  /* ---- Live updates ---- */

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

  /* ---- New mail is told by this computer, to whoever wants that, while nobody looks at the page ---- */

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

  /* ---- htmx: the token on every request, errors said aloud, new parts prepared ---- */

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
  document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));

  /* ---- Keys ---- */

  let sequence = "";
  let sequenceEnds = 0;

  const isTyping = (target) => target instanceof HTMLElement
    && (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])"));

  function keyName(event) {
    if (event.key === "?" || event.key === "/") return event.key;
    return event.shiftKey && event.key.length === 1 ? `Shift+${event.key.toUpperCase()}` : event.key;
  }

  function press(key) {
    const control = all(`[data-shortcut="${CSS.escape(key)}"]`).find((element) => visible(element) || element.closest("details[data-menu], .conversation-head"));
    if (!control || control.disabled) return false;
    control.click();
    if (control.matches("summary")) (one(".menu-item, textarea", control.parentElement) || control).focus();
    return true;
  }

  function walkedRow(list) {
    return one(".is-walked", list) || one(".is-current", list);
  }

  function walk(step) {
    const list = all("[data-walk]").find(visible);
    if (!list) return false;
    const rows = all("[data-walk-row]", list).filter(visible);
    const row = rows[rows.indexOf(walkedRow(list)) + step] || (walkedRow(list) ? null : rows[0]);
    if (!row) return false;
    for (const other of rows) other.classList.toggle("is-walked", other === row);
    const link = one("a", row);
    link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
    return true;
  }

  function tickWalked() {
    const list = all("[data-walk]").find(visible);
    const row = list && walkedRow(list);
    const box = row && one("[data-select]", row);
    if (!box) return false;
    box.click();
    return true;
  }

  function openWalked() {
    const list = all("[data-walk]").find(visible);
    const row = list && one(".is-walked", list);
    if (!row || document.activeElement !== document.body) return false;
    one("a", row).click();
    return true;
  }

  const FIXED = {
    "j": () => walk(1),
    "k": () => walk(-1),
    "x": tickWalked,
    "Enter": openWalked,
    "?": () => openDialog("shortcuts"),
    "/": () => {
      const search = all("[data-search]").find((element) => element.isConnected);
      if (search) search.focus(), search.select();
      return Boolean(search);
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return escape(event);
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && one("#commands")) {
      event.preventDefault();
      return openDialog("commands");
    }
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "p" && one(".messages")) {
      event.preventDefault();
      return printWhole();
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && event.target.form) {
      const send = one("[data-send]", event.target.form);
      if (send) {
        event.preventDefault();
        event.target.form.requestSubmit(send);
      }
      return undefined;
    }
    if (!shortcutsAreOn() || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return undefined;
    if (isTyping(event.target) || one("dialog[open]")) return undefined;
    const key = keyName(event);
    if (key === "g" && Date.now() > sequenceEnds) {
      sequence = "g";
      sequenceEnds = Date.now() + 1200;
      return undefined;
    }
    const whole = sequence && Date.now() <= sequenceEnds ? `${sequence} ${key}` : key;
    sequence = "";
    sequenceEnds = 0;
    const done = press(whole) || (FIXED[whole] && FIXED[whole]());
    if (done) event.preventDefault();
    return undefined;
  });

  function escape(event) {
    const menu = one("details[data-menu][open]");
    if (menu) {
      menu.open = false;
      one("summary", menu).focus();
    } else if (isTyping(event.target) && !one("dialog[open]")) {
      event.target.blur();
    }
  }

  /* ---- Commands: every place and every labelled action of the page, by typing ---- */

  function commands() {
    return all("[data-command], [data-shortcut-label]")
      .filter((element) => !element.disabled && (visible(element) || element.closest(".places, .pane-nav")))
      .map((element) => ({ element, label: element.dataset.command || element.dataset.shortcutLabel, key: element.dataset.shortcut }));
  }

  function fillCommands(words) {
    const list = one("#command-list");
    const input = one("#command-input");
    const wanted = words.trim().toLowerCase().split(/\s+/);
    list.replaceChildren();
    const found = commands().filter(({ label }) => wanted.every((word) => label.toLowerCase().includes(word)));
    found.forEach((command, place) => {
      const line = document.createElement("div");
      line.className = "command";
      line.id = `command-${place}`;
      line.setAttribute("role", "option");
      line.setAttribute("aria-selected", String(place === 0));
      line.textContent = command.label;
      if (command.key) {
        const key = document.createElement("kbd");
        key.textContent = command.key;
        line.append(key);
      }
      line.addEventListener("click", () => runCommand(command));
      line.run = () => runCommand(command);
      list.append(line);
    });
    if (!found.length) {
      const none = document.createElement("p");
      none.className = "command-none";
      none.textContent = "No command of this page has these words.";
      list.append(none);
    }
    if (words === "") input.value = "";
    input.setAttribute("aria-activedescendant", found.length ? "command-0" : "");
  }

  function runCommand({ element }) {
    one("#commands").close();
    element.click();
  }

  function prepareCommands() {
    const input = one("#command-input");
    if (!input) return;
    input.addEventListener("input", () => fillCommands(input.value));
    input.addEventListener("keydown", (event) => {
      const lines = all(".command", one("#command-list"));
      const place = lines.findIndex((line) => line.getAttribute("aria-selected") === "true");
      if (event.key === "Enter" && lines[place]) {
        event.preventDefault();
        lines[place].run();
      }
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || !lines.length) return;
      event.preventDefault();
      const next = lines[(place + step + lines.length) % lines.length];
      for (const line of lines) line.setAttribute("aria-selected", String(line === next));
      input.setAttribute("aria-activedescendant", next.id);
      next.scrollIntoView({ block: "nearest" });
    });
  }

  /* ---- Small things ---- */

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

  /* Prepares what is in `root`, and `root` itself, once for each element. */
  function prepare(root) {
    const each = (selector, what) => {
      const found = root.matches && root.matches(selector) ? [root, ...all(selector, root)] : all(selector, root);
      for (const element of found) {
        const marks = element.prepared || (element.prepared = new Set());
        if (!marks.has(what)) marks.add(what), what(element);
      }
    };
    each("[data-quick-search], [data-scripted]", (element) => { element.hidden = false; });
    each("[data-setting-inherits]", prepareSetting);
    each("[data-typed]", checkTyped);
    each("[data-shown-when]", prepareShown);
    each("[data-announce]", (element) => announce(element.dataset.announce));
    each(".condition", prepareCondition);
    each("[data-rows]", (rows) => { rows.dataset.rowsBefore = all("[data-row]", one("[data-rows-list]", rows)).length; });
    each("[data-save-bar]", (bar) => touched(bar.closest("form")));
    each("[data-changed]", (part) => { if (part.closest("form")) touched(part.closest("form")); });
    each("#access-editor", (part) => { if (part.closest("form")) touched(part.closest("form")); });
    each("[data-selectable]", prepareSelection);
    each("iframe[data-message-frame]", prepareFrame);
    each("details[data-remember]", prepareRemembered);
    each("[data-vanish-after]", vanish);
    each("[data-told]", prepareTold);
    each("#unread-count", tellUnread);
    each("a[data-lead-on]", (link) => location.replace(link.href));
    each("[data-focus]", (element) => element.focus());
    each(".news-bar .button", (link) => announce(link.textContent));
    if (root !== document) for (const area of all("[data-selectable]")) prepareSelection(area);
    refreshTimes(root);
  }

  prepare(document);
  prepareTheme();
  prepareCommands();
  if (document.body.dataset.eventsUrl && "EventSource" in window) listen(document.body.dataset.eventsUrl);
})();
