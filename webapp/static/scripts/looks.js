/* How things look: light or dark, frames of messages as high as what they hold, messages on paper, and fresh times. */
import { all, prepares } from "./page.js";

/* ---- Light, dark or as the system: frames of messages are told, too ---- */

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

prepares("[data-theme-choice]", (choice) => {
  choice.hidden = false;
  const chosen = document.documentElement.dataset.theme || "auto";
  for (const radio of all("input", choice)) radio.checked = radio.value === chosen;
  choice.addEventListener("change", (event) => chooseTheme(event.target.value));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellFramesTheTheme);
});

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
export async function printWhole() {
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

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) printWhole();
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

function refreshTime(time) {
  const at = new Date(time.dateTime);
  const now = new Date();
  if (Math.abs(now - at) < 7 * 86400 * 1000) time.textContent = relativeTime(at, now);
}

setInterval(() => all("time[data-relative]").forEach(refreshTime), 30000);

prepares("iframe[data-message-frame]", prepareFrame);
prepares("time[data-relative]", refreshTime);
