/* Menus (details), dialogs, where arrow keys move in menus, matrices and pickers, and the commands. */
import { all, isTyping, one, prepares, visible } from "./page.js";

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
});

export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (!(dialog instanceof HTMLDialogElement)) return false;
  if (id === "commands") fillCommands("");
  if (!dialog.open) dialog.showModal();
  return true;
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

/* Arrow keys move between the boxes of a matrix; Tab and Space work as everywhere. */
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

/* Pickers: from the search into what it found, and up and down in it. */
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

prepares("#command-input", (input) => {
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
});
