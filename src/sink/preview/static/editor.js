// Drawing zones and lines on a picture, by hand or by keyboard, and their TOML.

import { placeColour } from "./paint.js";
import { fault, toml } from "./place.js";
import { copyButton, kept, make, say } from "./tools.js";

const SVG = "http://www.w3.org/2000/svg";

/** Radius of a handle and how near counts as on it, pixels of the page. */
const HANDLE = 6;
const NEAR = 12;

/** Steps of the arrow keys, pixels of the source. */
const STEP = 10;
const FINE_STEP = 1;

const HINTS = {
  zone: "Click the corners one after the other; click the first one again, or press Enter, to close the zone.",
  line: "Click where the line starts, then where it ends. “In” is the left hand of who goes along it.",
  keys: "Keys: arrows move the cross (with Shift by a pixel), Space sets a point, Backspace takes one back, Esc leaves.",
};

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export class Editor {
  constructor() {
    this.drawing = null;
    this.places = [];
    this.cross = null;
    this.stage = svg("svg", { class: "drawing", tabindex: "0", role: "application" });
    this.stage.setAttribute("aria-label", "Zones and lines on the picture");
    this.stage.onpointerdown = (event) => this.down(event);
    this.stage.onpointermove = (event) => this.move(event);
    this.stage.onpointerup = () => this.up();
    this.stage.onpointercancel = () => this.up();
    this.stage.onkeydown = (event) => this.key(event);
    this.stage.onclick = (event) => event.stopPropagation();
    const start = (kind) => make("button", { type: "button", aria: { pressed: "false" }, onclick: () => this.toggle(kind) }, `Draw a ${kind}`);
    this.buttons = { zone: start("zone"), line: start("line") };
    this.hint = make("p", { class: "hint", role: "status" });
    this.rows = make("ul", { class: "places" });
    this.code = make("pre", { class: "code", tabIndex: 0, aria: { label: "TOML of the zones and lines" } });
    const actions = make("p", { class: "actions" }, copyButton("Copy TOML", () => this.text()),
      make("button", { type: "button", class: "small", onclick: () => this.removeAll() }, "Remove all"));
    this.output = make("div", {}, this.rows, this.code, actions,
      make("p", { class: "hint" }, "These are drawn here only: put the TOML into vision-pipe.toml and start again, and they count."));
    this.panel = make("section", { class: "card editor", hidden: true }, make("h2", {}, "Zones and lines"), this.hint, this.output);
    new ResizeObserver(() => this.paint()).observe(this.stage);
  }

  /**
   * Sets up for a source whose picture is of this size; `isOne` where it is the only source,
   * `taken` is how many colours its own zones and lines take.
   */
  open(source, size, isOne, taken) {
    if (this.source !== source) {
      this.leave();
      this.places = kept.get(`places.${source}`, []);
    }
    Object.assign(this, { source, size, isOne, taken });
    this.stage.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    this.paint();
  }

  /** Begins a zone or line, or leaves it. */
  toggle(kind) {
    if (this.drawing?.kind === kind || !this.size) return this.leave();
    this.drawing = { kind, name: this.freeName(kind), points: [] };
    this.cross = [Math.round(this.size.width / 2), Math.round(this.size.height / 2)];
    this.stage.focus();
    this.paint();
  }

  leave() {
    this.drawing = this.cross = this.held = null;
    this.paint();
  }

  freeName(kind) {
    for (let number = 1; ; number += 1) {
      const name = `${kind} ${number}`;
      if (!this.places.some((place) => place.name === name)) return name;
    }
  }

  /** Source pixels a pixel of the page. */
  scale() {
    return this.size.width / (this.stage.clientWidth || this.size.width);
  }

  at(event) {
    const box = this.stage.getBoundingClientRect();
    const within = (value, most) => Math.round(Math.max(0, Math.min(most, value)));
    return [
      within(((event.clientX - box.left) / box.width) * this.size.width, this.size.width),
      within(((event.clientY - box.top) / box.height) * this.size.height, this.size.height),
    ];
  }

  isNear([ax, ay], [bx, by]) {
    return Math.hypot(ax - bx, ay - by) <= NEAR * this.scale();
  }

  down(event) {
    if (!this.size || event.button !== 0) return;
    event.preventDefault();
    this.stage.focus();
    const point = this.at(event);
    if (this.drawing) return this.add(point);
    for (const place of this.places) {
      const index = place.points.findIndex((corner) => this.isNear(corner, point));
      if (index >= 0) {
        this.held = { place, index };
        this.stage.setPointerCapture(event.pointerId);
        return;
      }
    }
  }

  move(event) {
    if (!this.size || (!this.drawing && !this.held)) return;
    const point = this.at(event);
    if (this.held) this.held.place.points[this.held.index] = point;
    else this.cross = point;
    this.paint();
  }

  up() {
    if (this.held) this.keep();
    this.held = null;
  }

  add(point) {
    const { kind, points } = this.drawing;
    if (kind === "zone" && points.length > 2 && this.isNear(points[0], point)) return this.close();
    if (points.length && this.isNear(points[points.length - 1], point)) return;
    points.push(point);
    this.cross = point;
    if (kind === "line" && points.length === 2) this.close();
    else this.paint();
  }

  close() {
    const { kind, points } = this.drawing;
    if (points.length < (kind === "zone" ? 3 : 2)) return;
    this.places.push(this.drawing);
    this.drawing = this.cross = null;
    this.keep();
    this.rows.lastChild?.querySelector("input")?.select();
  }

  key(event) {
    if (event.key === "Escape" && this.drawing) event.stopPropagation();
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!this.drawing) return;
    const step = event.shiftKey ? FINE_STEP : STEP;
    if (arrows[event.key]) {
      const limit = [this.size.width, this.size.height];
      this.cross = this.cross.map((value, axis) => Math.max(0, Math.min(limit[axis], value + arrows[event.key][axis] * step)));
      this.paint();
    } else if (event.key === " ") this.add([...this.cross]);
    else if (event.key === "Enter") this.close();
    else if (event.key === "Backspace") {
      this.drawing.points.pop();
      this.paint();
    } else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
  }

  remove(place) {
    this.places = this.places.filter((other) => other !== place);
    this.keep();
  }

  removeAll() {
    this.places = [];
    this.keep();
  }

  keep() {
    kept.set(`places.${this.source}`, this.places);
    this.paint();
  }

  /** The TOML of all places. */
  text() {
    return this.places.map((place) => toml(place, this.isOne ? null : this.source)).join("\n");
  }

  paint() {
    const kind = this.drawing?.kind;
    for (const [word, button] of Object.entries(this.buttons)) button.setAttribute("aria-pressed", String(kind === word));
    this.stage.classList.toggle("busy", Boolean(this.drawing));
    this.stage.classList.toggle("some", this.places.length > 0);
    this.panel.hidden = !this.drawing && !this.places.length;
    this.output.hidden = !this.places.length;
    say(this.hint, kind ? `${HINTS[kind]} ${HINTS.keys}` : "Drag a corner to move it.");
    if (!this.size) return;
    const shapes = this.places.flatMap((place, index) => this.shape(place, index, false));
    if (this.drawing) shapes.push(...this.shape(this.drawing, this.places.length, true));
    this.stage.replaceChildren(...shapes);
    this.list();
    say(this.code, this.text());
  }

  shape({ kind, points }, index, isOpen) {
    const colour = placeColour(this.taken + index);
    const all = isOpen && points.length ? [...points, this.cross] : points;
    const path = `${all.map(([x, y], at) => `${at ? "L" : "M"}${x} ${y}`).join("")}${kind === "zone" && !isOpen ? "Z" : ""}`;
    const shapes = [];
    if (path) {
      shapes.push(svg("path", { d: path, class: "under" }));
      shapes.push(svg("path", { d: path, class: `edge ${kind} ${isOpen ? "open" : ""}`, stroke: colour, fill: kind === "zone" ? colour : "none" }));
    }
    if (kind === "line" && all.length === 2) shapes.push(...this.arrow(all, colour));
    const radius = HANDLE * this.scale();
    shapes.push(...points.map(([cx, cy]) => svg("circle", { cx, cy, r: radius, fill: colour, class: "handle" })));
    if (isOpen) {
      const [x, y] = this.cross;
      const arm = 3 * radius;
      shapes.push(svg("path", { d: `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}`, class: "cross" }));
    }
    return shapes;
  }

  /** Shows which side is "in": the left hand of who goes from the first point to the second. */
  arrow([[fromX, fromY], [toX, toY]], colour) {
    const [dx, dy] = [toX - fromX, toY - fromY];
    const length = Math.hypot(dx, dy);
    if (!length) return [];
    const scale = this.scale();
    const left = [dy / length, -dx / length];
    const along = [dx / length, dy / length];
    const middle = [(fromX + toX) / 2, (fromY + toY) / 2];
    const tip = middle.map((value, axis) => value + left[axis] * 30 * scale);
    const wing = (way) => tip.map((value, axis) => value - left[axis] * 9 * scale + way * along[axis] * 6 * scale);
    const path = `M${middle}L${tip}M${wing(1)}L${tip}L${wing(-1)}`;
    const at = tip.map((value, axis) => value + left[axis] * 13 * scale);
    const text = svg("text", { x: at[0], y: at[1], "font-size": 13 * scale, class: "side" });
    text.textContent = "in";
    return [svg("path", { d: path, class: "under" }), svg("path", { d: path, class: "edge", stroke: colour, fill: "none" }), text];
  }

  list() {
    while (this.rows.children.length > this.places.length) this.rows.lastChild.remove();
    while (this.rows.children.length < this.places.length) this.rows.append(this.newRow());
    this.places.forEach((place, index) => {
      const row = this.rows.children[index];
      row.place = place;
      const [swatch, input, , trouble] = row.children;
      swatch.style.background = placeColour(this.taken + index);
      if (input.value !== place.name) input.value = place.name;
      const why = fault(place, this.places);
      say(trouble, why ? `${why}.` : "");
      input.setAttribute("aria-invalid", String(Boolean(why)));
    });
  }

  newRow() {
    const row = make("li");
    const input = make("input", { type: "text", maxLength: 64, aria: { label: "Name" } });
    input.oninput = () => {
      row.place.name = input.value;
      this.keep();
    };
    const button = make("button", { type: "button", class: "small", onclick: () => this.remove(row.place) }, "Remove");
    row.append(make("i"), input, button, make("span", { class: "trouble", role: "status" }));
    return row;
  }
}
