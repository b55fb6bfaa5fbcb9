// The latest record as a tree that folds, and keeps its folds while records go by.

import { copyButton, make, say } from "./tools.js";

/** Entries of a list that are shown. */
const MOST = 50;

/** Fastest update, milliseconds: a tree that flickers cannot be read. */
const EVERY_MS = 400;

export class Record {
  constructor() {
    this.folds = new Map();
    this.record = null;
    this.isHeld = false;
    this.hold = make("button", { type: "button", class: "small", aria: { pressed: "false" } }, "Hold");
    this.hold.onclick = () => this.setHeld(!this.isHeld);
    const head = make("summary", {}, make("h2", {}, "Latest record"));
    this.tree = make("div", { class: "tree" });
    const bar = make("p", { class: "actions" }, this.hold, copyButton("Copy", () => JSON.stringify(this.record, null, 2)));
    this.element = make("details", { class: "card record" }, head, bar, this.tree);
    this.element.ontoggle = () => this.paint();
    setInterval(() => this.paint(), EVERY_MS);
  }

  setHeld(isHeld) {
    this.isHeld = isHeld;
    this.hold.setAttribute("aria-pressed", String(isHeld));
    say(this.hold, isHeld ? "Go on" : "Hold");
  }

  show(record) {
    if (!this.isHeld) this.record = record;
  }

  paint() {
    if (!this.element.open || this.painted === this.record || !this.record) return;
    // What is being selected must not vanish under the pointer.
    const selection = getSelection();
    if (!selection.isCollapsed && this.tree.contains(selection.anchorNode)) return;
    const focus = this.tree.contains(document.activeElement) ? document.activeElement.dataset.path : null;
    this.painted = this.record;
    this.tree.replaceChildren(...this.entries(this.record, ""));
    if (focus !== null) [...this.tree.querySelectorAll("summary")].find((one) => one.dataset.path === focus)?.focus();
  }

  entries(value, path) {
    const all = Object.entries(value);
    const rows = all.slice(0, MOST).map(([key, of]) => this.entry(key, of, `${path}/${key}`));
    if (all.length > MOST) rows.push(make("p", { class: "hint" }, `${all.length - MOST} more`));
    return rows;
  }

  entry(key, value, path) {
    const name = make("span", { class: "key" }, key);
    if (value === null || typeof value !== "object") {
      const kind = typeof value === "string" ? "text" : "number";
      return make("p", { class: "leaf" }, name, make("span", { class: kind }, JSON.stringify(value)));
    }
    const size = Array.isArray(value) ? `[${value.length}]` : brief(value);
    const head = make("summary", { data: { path } }, name, make("span", { class: "brief" }, size));
    const fold = make("details", { open: this.folds.get(path) ?? false }, head);
    const fill = () => fold.childElementCount === 1 && fold.append(make("div", {}, ...this.entries(value, path)));
    if (fold.open) fill();
    fold.ontoggle = () => {
      this.folds.set(path, fold.open);
      if (fold.open) fill();
    };
    return fold;
  }
}

/** What an object is about, on its folded line. */
function brief(value) {
  if (value.class !== undefined) {
    const id = value.tracker_id === undefined ? "" : ` #${value.tracker_id}`;
    return `{${value.class}${id}${value.confidence === undefined ? "" : ` ${value.confidence.toFixed(2)}`}}`;
  }
  if (value.name !== undefined) return `{${value.name}}`;
  return `{${Object.keys(value).join(", ")}}`;
}
