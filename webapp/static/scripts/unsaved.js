/* Unsaved changes: what will change, a warning before leaving, and nothing sent twice. */
import { all, one, prepares } from "./page.js";

const dirtyForms = new Set();

const isGuarded = (form) => form && (form.matches("[data-guard]") || one("[data-save-bar]", form) !== null);

export function isChanged(control) {
  if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
  if (control instanceof HTMLSelectElement) {
    const options = [...control.options];
    const before = options.some((option) => option.defaultSelected);
    return options.some((option, place) => option.selected !== (before ? option.defaultSelected : place === 0 && !control.multiple));
  }
  return control.value !== control.defaultValue;
}

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

export function touched(form) {
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

document.addEventListener("reset", (event) => setTimeout(() => touched(event.target)));
addEventListener("beforeunload", (event) => {
  for (const form of dirtyForms) if (!form.isConnected) dirtyForms.delete(form);
  if (dirtyForms.size) event.preventDefault();
});

/*
  Pressed twice: a form is sent once by the same button, and whoever follows what is sent hears of it once.
  Where a file is the answer the page stays, and it may go again soon. What htmx sends is its own to order.
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

const touchedAround = (element) => { if (element.closest("form")) touched(element.closest("form")); };

prepares("[data-rows]", (rows) => { rows.dataset.rowsBefore = all("[data-row]", one("[data-rows-list]", rows)).length; });
prepares("[data-save-bar], [data-changed], #access-editor", touchedAround);
