// One source: its picture, what is drawn over it, how it does.

import { Painter } from "./paint.js";
import { clock, make, of, say } from "./tools.js";

/** A source that is live and silent for so long is said to be silent, seconds. */
const SILENT_S = 3;

/** Pictures over which the rate is measured. */
const METERED = 24;

export class Tile {
  /** `on.shown` is told of each record that is shown, `on.open` when the tile is chosen. */
  constructor(source, on) {
    this.source = source;
    this.on = on;
    this.outlines = [];
    this.state = { state: "waiting" };
    this.record = null;
    this.times = [];
    this.next = null;
    this.isBusy = false;
    this.build();
  }

  build() {
    this.picture = make("canvas", { class: "picture", width: 16, height: 9, role: "img" });
    this.over = make("canvas", { class: "over", aria: { hidden: "true" } });
    this.painter = new Painter(this.over);
    this.notice = make("p", { class: "notice", hidden: true });
    this.stack = make("div", { class: "stack" }, this.picture, this.over);
    this.frame = make("div", { class: "frame" }, this.stack, this.notice);
    this.name = make("button", { type: "button", class: "name", onclick: () => this.on.open(this.source) }, this.source);
    this.pill = make("span", { class: "pill" });
    this.count = make("span", { class: "soft" });
    this.element = make("figure", { class: "tile", data: { source: this.source } }, this.frame,
      make("figcaption", {}, this.name, this.count, this.pill));
    this.frame.onclick = () => this.on.open(this.source);
    new ResizeObserver(() => this.paint()).observe(this.stack);
    this.tell();
  }

  /** Takes a packet; while one is decoded only the newest of those that come is kept. */
  packet(head, jpeg) {
    this.next = { head, jpeg };
    if (!this.isBusy) this.show();
  }

  async show() {
    this.isBusy = true;
    while (this.next) {
      const { head, jpeg } = this.next;
      this.next = null;
      try {
        await this.picturePut(head, jpeg);
        this.record = head.record;
        this.paint();
        this.times.push(performance.now());
        if (this.times.length > METERED) this.times.shift();
        this.on.shown(this, head.record);
      } catch (error) {
        console.warn(`frame ${head.frame_id} cannot be shown: ${error.message}`);
      }
    }
    this.isBusy = false;
  }

  async picturePut({ image }, jpeg) {
    const context = this.picture.getContext("2d", { alpha: false });
    const fit = (width, height) => {
      if (this.picture.width === width && this.picture.height === height) return;
      Object.assign(this.picture, { width, height });
      this.stack.style.setProperty("--ratio", String(width / height));
    };
    if (!jpeg.length) {
      // There are records without pictures: boxes on an empty ground.
      fit(Math.min(image.width, 960), Math.round((Math.min(image.width, 960) * image.height) / image.width));
      context.fillRect(0, 0, this.picture.width, this.picture.height);
      return;
    }
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    fit(bitmap.width, bitmap.height);
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
  }

  /** Draws the boxes anew, as the page's switches say. */
  paint() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.over.clientWidth * ratio);
    const height = Math.round(this.over.clientHeight * ratio);
    if (this.over.width !== width || this.over.height !== height) Object.assign(this.over, { width, height });
    if (!this.record || !width) return;
    const look = this.on.look();
    if (look.drawn) this.painter.clear();
    else this.painter.record(this.record, look, this.outlines, ratio);
  }

  /** Pictures a second of late. */
  rate() {
    const first = this.times[0];
    const last = this.times[this.times.length - 1];
    if (this.times.length < 2 || performance.now() - last > 3000) return 0;
    return ((this.times.length - 1) * 1000) / (last - first);
  }

  /** What the source is, in a word and a sentence; `isConnected` is whether the server answers. */
  summary(isConnected) {
    const { state, reason } = this.state;
    const age = this.health?.age_s ?? 0;
    const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
    if (state === "ended") return ["ended", "ended", sentence(reason)];
    if (!isConnected) return ["bad", "no connection", "vision-pipe does not answer. This page keeps trying."];
    if (state === "lost") return ["bad", "lost", `The source is lost: ${reason}.`];
    if (state === "waiting") return ["odd", "waiting", "Waiting for the first frame."];
    if (age > SILENT_S) return ["odd", "silent", `No frame for ${clock(age)}.`];
    return ["good", "live", ""];
  }

  /** Says how the source does. */
  tell(isConnected = true) {
    const [kind, word, sentence] = this.summary(isConnected);
    this.pill.className = `pill ${kind}`;
    say(this.pill, word);
    say(this.notice, sentence);
    this.notice.hidden = !sentence;
    this.element.classList.toggle("dim", kind === "bad");
    const found = this.record ? of(this.record.predictions.length, "object") : "";
    say(this.count, found);
    this.picture.setAttribute("aria-label", `Picture of ${this.source}, ${word}${found && `, ${found}`}`);
  }
}
