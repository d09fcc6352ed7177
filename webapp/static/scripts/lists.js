/* Tables, lists and trees: found in by typing, ticked, and put into an order. */
import { all, announce, one, prepares, toast } from "./page.js";
import { touched } from "./unsaved.js";

/* ---- Quick search ---- */

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

document.addEventListener("input", (event) => {
  const search = event.target.closest("[data-quick-search]");
  if (search) quickSearch(search, event.target.value);
});

/* ---- Selecting: one, all, or from one to another ---- */

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

/* ---- An order: rows are dragged, or walk with the arrow keys on their handle ---- */

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

prepares("[data-quick-search]", (search) => { search.hidden = false; });
prepares("[data-selectable]", prepareSelection);
document.addEventListener("htmx:load", () => all("[data-selectable]").forEach(prepareSelection)); /* rows may have come or gone */
