// What is in the picture now, and what happened of late.

import { colourOf, shown } from "./paint.js";
import { make, of, say, when } from "./tools.js";

/** Rows of detections. */
const MOST_ROWS = 10;

/** Events that are kept. */
const MOST_EVENTS = 100;

export class Detections {
  constructor() {
    this.rows = make("ul", { class: "rows" });
    this.more = make("p", { class: "hint" }, "nothing yet");
    this.element = make("section", { class: "card" }, make("h2", {}, "In the picture"), this.more, this.rows);
  }

  /** Shows a record. Rows keep their place as long as their object is there. */
  show(record, look) {
    const found = shown(record, look);
    const order = (one) => [one.class_id, one.tracker_id ?? Infinity, -one.confidence];
    found.sort((a, b) => {
      const [left, right] = [order(a), order(b)];
      const at = left.findIndex((value, index) => value !== right[index]);
      return at < 0 ? 0 : left[at] - right[at];
    });
    const few = found.slice(0, MOST_ROWS);
    while (this.rows.children.length > few.length) this.rows.lastChild.remove();
    while (this.rows.children.length < few.length) {
      this.rows.append(make("li", {}, make("i"), make("span", { class: "what" }), make("span", { class: "id" }),
        make("span", { class: "bar" }, make("span")), make("span", { class: "number" })));
    }
    few.forEach((one, index) => this.row(this.rows.children[index], one));
    const left = found.length - few.length;
    const hidden = record.predictions.length - found.length;
    const parts = [of(found.length, "object")];
    if (left) parts.push(`${left} not listed`);
    if (hidden) parts.push(`${hidden} below the threshold`);
    say(this.more, parts.join(", "));
  }

  row({ children: [swatch, what, id, bar, number] }, one) {
    swatch.style.background = colourOf(one.class_id);
    say(what, [one.class, ...(one.attributes ?? []).map((other) => other.class)].join(" "));
    say(id, one.tracker_id === undefined ? "" : `#${one.tracker_id}`);
    bar.firstChild.style.width = `${Math.round(one.confidence * 100)}%`;
    say(number, one.confidence.toFixed(2));
  }

  clear() {
    this.rows.replaceChildren();
    say(this.more, "nothing yet");
  }
}

/** What happened, in words. */
function story(event) {
  const who = [event.class, event.tracker_id === undefined ? "" : `#${event.tracker_id}`].filter(Boolean).join(" ");
  const seconds = event.seconds === undefined ? "" : ` after ${event.seconds.toFixed(1)} s`;
  switch (event.event) {
    case "appeared": return [who, "appeared"];
    case "left": return [who, `left${seconds}`];
    case "zone_entered": return [who, `entered ${event.name}`];
    case "zone_left": return [who, `left ${event.name}${seconds}`];
    case "loitering": return [who, `stays in ${event.name}`];
    case "line_crossed": return [who, `crossed ${event.name}, ${event.direction}`];
    case "crowded": return [event.name, `is crowded: ${event.count} there`];
    case "clip": return ["clip", event.file ?? ""];
    case "snapshot": return ["snapshot", event.file ?? ""];
    default: return [who, String(event.event).replaceAll("_", " ")];
  }
}

export class Events {
  constructor() {
    this.rows = make("ol", { class: "events" });
    this.hint = make("p", { class: "hint" }, "none yet");
    this.element = make("section", { class: "card" }, make("h2", {}, "Events"), this.hint, this.rows);
    this.total = 0;
    this.seen = new Set();
  }

  /** Adds an event at the top. */
  add(event) {
    // After a break the server may tell again what is known already.
    if (this.seen.has(event.event_id)) return;
    this.seen.add(event.event_id);
    if (this.seen.size > 4 * MOST_EVENTS) this.seen.delete(this.seen.values().next().value);
    const [who, what] = story(event);
    const isPlace = event.class_id === undefined;
    const swatch = make("i");
    swatch.style.background = isPlace ? "var(--px)" : colourOf(event.class_id);
    const row = make("li", { data: { source: event.source } }, make("time", {}, when(event)), swatch,
      make("span", { class: "what" }, make("b", {}, who), ` ${what}`), make("span", { class: "where" }, event.source));
    this.rows.prepend(row);
    while (this.rows.children.length > MOST_EVENTS) this.rows.lastChild.remove();
    this.total += 1;
    say(this.hint, this.total > MOST_EVENTS ? `the last ${MOST_EVENTS} of ${of(this.total, "event")}` : of(this.total, "event"));
  }

  /** Forgets those of a source: its next run tells them under the same ids. */
  forget(source) {
    for (const row of [...this.rows.children]) if (row.dataset.source === source) row.remove();
    this.seen.clear();
    this.total = this.rows.children.length;
    say(this.hint, this.total ? of(this.total, "event") : "none yet");
  }

  /** Shows those of one source, or of all. */
  only(source) {
    this.element.classList.toggle("one", source !== null);
    for (const row of this.rows.children) row.hidden = source !== null && row.dataset.source !== source;
    this.source = source;
  }
}
