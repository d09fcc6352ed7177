/* Forms: typed confirmations, passwords demanded anew, inherited settings, variables, rows. */
import { all, announce, one, prepare, prepares, toast, visible } from "./page.js";
import { isChanged, touched } from "./unsaved.js";

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

document.addEventListener("click", (event) => {
  const inserted = event.target.closest("[data-insert]");
  if (inserted) insertText(inserted);
});

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
});

/* ---- Rows: added, removed, and the fields that each of them needs ---- */

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

prepares("[data-setting-inherits]", prepareSetting);
prepares("[data-typed]", checkTyped);
prepares("[data-shown-when]", prepareShown);
prepares(".condition", prepareCondition);
