// How many objects of each class there were in the last minute, as a live plot.

import { colourOf } from "./paint.js";
import { make, say } from "./tools.js";

const STEP_MS = 500;
const STEPS = 120;

/** Classes with a line of their own; the rest is one line. */
const MOST = 6;

export class Chart {
  constructor() {
    this.samples = [];
    this.names = new Map();
    this.canvas = make("canvas", { class: "plot", role: "img", tabIndex: 0 });
    this.keys = make("ul", { class: "keys" });
    this.note = make("p", { class: "hint" }, "of what is shown, in the last minute");
    this.element = make("section", { class: "card" }, make("h2", {}, "Objects"), this.note, this.keys, this.canvas);
    this.canvas.onpointermove = (event) => this.point(event.offsetX);
    this.canvas.onpointerleave = () => this.point(null);
    new ResizeObserver(() => this.paint()).observe(this.canvas);
  }

  /** Adds a sample: counts by class id, or null where nothing is known. */
  add(found) {
    let sample = null;
    if (found) {
      sample = new Map();
      for (const { class: name, class_id: id } of found) {
        this.names.set(id, name);
        sample.set(id, (sample.get(id) ?? 0) + 1);
      }
    }
    this.samples.push(sample);
    if (this.samples.length > STEPS) this.samples.shift();
    this.paint();
  }

  clear() {
    this.samples = [];
    this.names.clear();
    this.paint();
  }

  point(x) {
    this.at = x;
    this.paint();
  }

  /** The classes of the last minute, those of the model's first numbers first. */
  classes() {
    const totals = new Map();
    for (const sample of this.samples) for (const [id, count] of sample ?? []) totals.set(id, (totals.get(id) ?? 0) + count);
    const most = [...totals].sort((a, b) => b[1] - a[1]).slice(0, MOST).map(([id]) => id);
    return most.sort((a, b) => a - b);
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width) return;
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.canvas);
    const area = { left: 26, right: width - 8, top: 8, bottom: height - 20 };
    const classes = this.classes();
    const counts = this.samples.flatMap((sample) => classes.map((id) => sample?.get(id) ?? 0));
    const top = niceTop(Math.max(1, ...counts));
    this.axes(context, style, area, top);
    for (const id of classes) this.line(context, area, top, id);
    this.legend(classes, this.cursor(context, style, area));
  }

  x(area, index) {
    return area.right - ((this.samples.length - 1 - index) / (STEPS - 1)) * (area.right - area.left);
  }

  axes(context, style, area, top) {
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = style.getPropertyValue("--soft");
    context.strokeStyle = style.getPropertyValue("--rule");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of [0, top / 2, top]) {
      const y = Math.round(area.bottom - (value / top) * (area.bottom - area.top)) + 0.5;
      context.beginPath();
      context.moveTo(area.left, y);
      context.lineTo(area.right, y);
      context.stroke();
      if (Number.isInteger(value)) context.fillText(String(value), area.left - 7, y);
    }
    context.textBaseline = "alphabetic";
    const seconds = (STEPS * STEP_MS) / 1000;
    context.textAlign = "left";
    context.fillText(`${seconds} s ago`, area.left, area.bottom + 15);
    context.textAlign = "right";
    context.fillText("now", area.right, area.bottom + 15);
  }

  line(context, area, top, id) {
    context.beginPath();
    let drawing = false;
    let before = 0;
    this.samples.forEach((sample, index) => {
      const x = this.x(area, index);
      const y = area.bottom - ((sample?.get(id) ?? 0) / top) * (area.bottom - area.top);
      if (sample && drawing) {
        context.lineTo(x, before);
        context.lineTo(x, y);
      } else if (sample) context.moveTo(x, y);
      drawing = sample !== null;
      before = y;
    });
    context.strokeStyle = colourOf(id);
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.stroke();
  }

  /** Draws the rule under the pointer; the sample that it is at, the last one without it. */
  cursor(context, style, area) {
    const last = this.samples.length - 1;
    if (this.at === null || this.at === undefined || last < 0) {
      say(this.note, "of what is shown, in the last minute");
      return this.samples[last];
    }
    const back = Math.round(((area.right - this.at) / (area.right - area.left)) * (STEPS - 1));
    const index = Math.max(0, Math.min(last, last - back));
    const x = this.x(area, index);
    context.strokeStyle = style.getPropertyValue("--soft");
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, area.top);
    context.lineTo(x, area.bottom);
    context.stroke();
    say(this.note, `${(((last - index) * STEP_MS) / 1000).toFixed(1)} s ago`);
    return this.samples[index];
  }

  legend(classes, sample) {
    const text = classes.map((id) => `${this.names.get(id)} ${sample?.get(id) ?? 0}`);
    this.canvas.setAttribute("aria-label", `Objects by class in the last minute; now ${text.join(", ") || "none"}`);
    while (this.keys.children.length > classes.length) this.keys.lastChild.remove();
    while (this.keys.children.length < classes.length) this.keys.append(make("li", {}, make("i"), make("b"), make("span")));
    classes.forEach((id, index) => {
      const [swatch, number, name] = this.keys.children[index].children;
      swatch.style.background = colourOf(id);
      say(number, String(sample?.get(id) ?? 0));
      say(name, this.names.get(id));
    });
  }
}

/** A round number above the highest count, even where it is small enough to be halved. */
function niceTop(most) {
  for (const step of [2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400, 1000]) if (most <= step) return step;
  return Math.ceil(most / 1000) * 1000;
}

export { STEP_MS };
