/* Keys: shortcuts that controls name, walking through lists, and the way into the search and the commands. */
import { printWhole } from "./looks.js";
import { openDialog } from "./menus.js";
import { all, isTyping, one, visible } from "./page.js";

const shortcutsAreOn = () => document.body.dataset.shortcuts !== "off";
let sequence = "";
let sequenceEnds = 0;

function keyName(event) {
  if (event.key === "?" || event.key === "/") return event.key;
  return event.shiftKey && event.key.length === 1 ? `Shift+${event.key.toUpperCase()}` : event.key;
}

function press(key) {
  const named = all(`[data-shortcut="${CSS.escape(key)}"]`).filter((element) => !element.closest("[hidden]"));
  const control = named.find(visible) || named.find((element) => element.closest("details[data-menu], .conversation-head"));
  if (!control || control.disabled) return false;
  control.click();
  if (control.matches("summary")) (one("[data-first], .menu-item, textarea", control.parentElement) || control).focus();
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
