/* What every module uses: looking into the page, saying something to its reader, preparing its elements. */
export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const visible = (element) => element.getClientRects().length > 0;

export const isTyping = (target) => target instanceof HTMLElement
  && (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])"));

export function announce(text) {
  const announcer = one("#announcer");
  if (announcer) announcer.textContent = text;
}

export function toast(text) {
  const toasts = one("#toasts");
  if (!toasts) return;
  const line = document.createElement("div");
  line.className = "toast";
  line.textContent = text;
  toasts.append(line);
  setTimeout(() => line.remove(), 4000 + 60 * text.length); /* as long as it takes to read */
}

const preparations = [];

/* From now on `what` is called with each element of the page, and of what is swapped in, that `selector` finds. */
export function prepares(selector, what) {
  preparations.push([selector, what]);
}

/* Prepares what is in `root`, and `root` itself, once for each element. */
export function prepare(root) {
  for (const [selector, what] of preparations) {
    const found = root.matches && root.matches(selector) ? [root, ...all(selector, root)] : all(selector, root);
    for (const element of found) {
      const marks = element.prepared || (element.prepared = new Set());
      if (!marks.has(what)) marks.add(what), what(element);
    }
  }
}
