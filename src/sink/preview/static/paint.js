// Draws what a record says: boxes, labels, outlines, keypoints. Colours are those of the drawn
// video, so that a class looks the same everywhere.

const GOLDEN_ANGLE = 137.507764;

/** Bones between the 17 keypoints of COCO. */
const BONES = [[0, 1], [0, 2], [1, 3], [2, 4], [5, 6], [5, 7], [7, 9], [6, 8], [8, 10], [5, 11], [6, 12],
  [11, 12], [11, 13], [13, 15], [12, 14], [14, 16]];

function fromHue(hue) {
  const channel = (n) => {
    const k = (n + hue / 60) % 6;
    return Math.round(255 * (0.95 - 0.95 * 0.85 * Math.min(1, Math.max(0, Math.min(k, 4 - k)))));
  };
  return [channel(5), channel(3), channel(1)];
}

const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/** The colour of a class by its number. */
export function colourOf(id) {
  return css(fromHue((150 + id * GOLDEN_ANGLE) % 360));
}

/** The colour of a zone or line by its place among them. */
export function placeColour(index) {
  return css(fromHue((45 + 77 * index) % 360));
}

function inkOn(id) {
  const [red, green, blue] = fromHue((150 + id * GOLDEN_ANGLE) % 360);
  return 0.114 * blue + 0.587 * green + 0.299 * red > 140 ? "#000" : "#fff";
}

/** The predictions of a record that are sure enough. */
export function shown(record, look) {
  return record.predictions.filter((found) => found.confidence >= look.least);
}

function words(found, look) {
  const parts = [];
  if (look.ids && found.tracker_id !== undefined) parts.push(`#${found.tracker_id}`);
  if (look.labels) parts.push(found.class);
  if (look.confidence) parts.push(found.confidence.toFixed(2));
  if (look.labels) parts.push(...(found.attributes ?? []).map((one) => one.class));
  return parts.join(" ");
}

/** Draws over a picture whose pixels are `scale` canvas pixels wide. */
export class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** Draws a record with its zones and lines; `ratio` is canvas pixels a pixel of the page. */
  record(record, look, outlines, ratio) {
    this.clear();
    this.scale = this.canvas.width / record.image.width;
    this.ratio = ratio;
    const found = shown(record, look);
    if (look.zones) outlines.forEach((outline, index) => this.outline(outline, index));
    for (const one of [...found].reverse()) this.shape(one, look);
    this.taken = [];
    if (look.zones && look.roomy) outlines.forEach((outline, index) => this.place(outline, index, record));
    if (look.roomy) found.forEach((one, row) => this.label(one, look, row));
  }

  path(points, closed) {
    const { context, scale } = this;
    context.beginPath();
    points.forEach(([x, y], index) => (index ? context.lineTo(x * scale, y * scale) : context.moveTo(x * scale, y * scale)));
    if (closed) context.closePath();
  }

  /** A line that is seen on light and dark ground. */
  stroke(colour, width, dash = []) {
    const { context, ratio } = this;
    context.setLineDash([]);
    context.lineJoin = "round";
    context.strokeStyle = "rgb(0 0 0 / .4)";
    context.lineWidth = (width + 1.5) * ratio;
    context.stroke();
    context.setLineDash(dash.map((length) => length * ratio));
    context.strokeStyle = colour;
    context.lineWidth = width * ratio;
    context.stroke();
    context.setLineDash([]);
  }

  fill(colour, share) {
    this.context.globalAlpha = share;
    this.context.fillStyle = colour;
    this.context.fill();
    this.context.globalAlpha = 1;
  }

  outline({ points, closed }, index) {
    this.path(points, closed);
    if (closed) this.fill(placeColour(index), 0.13);
    this.stroke(placeColour(index), 1.5);
  }

  shape(found, look) {
    const colour = colourOf(found.class_id);
    if (found.points?.length > 2) {
      this.path(found.points.map(({ x, y }) => [x, y]), true);
      this.fill(colour, 0.3);
      this.stroke(colour, 1);
    }
    if (look.boxes && found.bbox) {
      const { x1, y1, x2, y2 } = found.bbox;
      this.path([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], true);
      this.stroke(colour, look.roomy ? 2 : 1.5, found.predicted ? [5, 4] : []);
    }
    if (found.keypoints?.length) this.keypoints(found.keypoints, colour);
  }

  keypoints(points, colour) {
    const isSeen = (point) => point && (point.confidence ?? 1) >= 0.3;
    const bones = points.length === 17 ? BONES : [];
    for (const [from, to] of bones.map((ends) => ends.map((end) => points[end]))) {
      if (!isSeen(from) || !isSeen(to)) continue;
      this.path([[from.x, from.y], [to.x, to.y]], false);
      this.stroke(colour, 1.5);
    }
    for (const { x, y } of points.filter(isSeen)) {
      this.context.beginPath();
      this.context.arc(x * this.scale, y * this.scale, 2.5 * this.ratio, 0, 7);
      this.fill(colour, 1);
    }
  }

  label(found, look, row) {
    const text = words(found, look);
    if (!text) return;
    const box = found.bbox ?? { x1: 0, y1: 0, x2: 0, y2: 0 };
    const at = found.bbox ? 0 : row;
    this.tag(text, box, at, colourOf(found.class_id), inkOn(found.class_id));
  }

  place(outline, index, record) {
    const zone = record.zones?.find(({ name }) => name === outline.name);
    const line = record.lines?.find(({ name }) => name === outline.name);
    const counts = zone ? ` ${zone.count}` : line ? ` in ${line.in} out ${line.out}` : "";
    const [x, y] = outline.points[0];
    this.tag(outline.name + counts, { x1: x, y1: y, x2: x, y2: y }, 0, "rgb(20 24 28 / .82)", placeColour(index));
  }

  /** A label at a box: above it where there is room, else inside, and not on another one. */
  tag(text, box, row, colour, ink) {
    const { context, ratio, scale, canvas } = this;
    context.font = `600 ${12 * ratio}px system-ui, "DejaVu Sans", sans-serif`;
    const height = 18 * ratio;
    const width = context.measureText(text).width + 10 * ratio;
    const left = (x) => Math.max(0, Math.min(x * scale - ratio, canvas.width - width));
    const [x1, y1, y2] = [left(box.x1), box.y1 * scale, box.y2 * scale];
    const tries = [y1 - height, y1, y2, y2 - height, y1 - 2 * height, y1 + height].map((y) => y + row * height);
    const inside = tries.filter((y) => y >= 0 && y + height <= canvas.height);
    const isFree = (y) => this.taken.every((other) =>
      x1 + width <= other.x || other.x + other.width <= x1 || y + height <= other.y || other.y + height <= y);
    const y = inside.find(isFree) ?? inside[0] ?? 0;
    this.taken.push({ x: x1, y, width, height });
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(x1, y, width, height, 3 * ratio);
    context.fill();
    context.fillStyle = ink;
    context.textBaseline = "middle";
    context.fillText(text, x1 + 5 * ratio, y + height / 2 + 0.5 * ratio);
  }
}
