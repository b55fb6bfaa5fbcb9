// Zones and lines as the configuration file wants them, and what it would refuse.

/** Longest name, characters, and most points, as in the configuration. */
const MAX_NAME = 64;
const MAX_POINTS = 256;

/** A text in TOML's quotes. */
function quoted(text) {
  const escapes = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r" };
  const code = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `"${text.replace(/["\\\u0000-\u001f\u007f]/g, (letter) => escapes[letter] ?? code(letter))}"`;
}

/** A table of the configuration; `source` is named where there are several. */
export function toml(place, source) {
  const point = ([x, y]) => `[${x}, ${y}]`;
  const lines = [`[[${place.kind}]]`, `name = ${quoted(place.name)}`];
  if (place.kind === "zone") lines.push(`polygon = [${place.points.map(point).join(", ")}]`);
  else lines.push(`from = ${point(place.points[0])}`, `to = ${point(place.points[1])}`);
  if (source !== null) lines.push(`source = ${quoted(source)}`);
  return `${lines.join("\n")}\n`;
}

/** Why a place would be refused among `others`; null where it would not. */
export function fault(place, others) {
  const name = [...place.name];
  if (!place.name.trim()) return "it needs a name";
  if (name.length > MAX_NAME) return `its name is longer than ${MAX_NAME} characters`;
  if (/[\u0000-\u001f\u007f-\u009f]/.test(place.name)) return "its name holds what cannot be printed";
  if (others.some((other) => other !== place && other.name === place.name)) return `another one is called ${place.name}`;
  if (place.kind === "line") return same(...place.points) ? "it starts where it ends" : null;
  const { points } = place;
  if (points.length > MAX_POINTS) return `it has more than ${MAX_POINTS} corners`;
  const crossing = crossed(points);
  if (crossing) return `its edges ${crossing[0]} and ${crossing[1]} cross`;
  return area(points) < 1 ? "it encloses nothing" : null;
}

const same = ([ax, ay], [bx, by]) => ax === bx && ay === by;

function area(points) {
  const twice = points.reduce((sum, [x, y], index) => {
    const [nextX, nextY] = points[(index + 1) % points.length];
    return sum + x * nextY - nextX * y;
  }, 0);
  return Math.abs(twice) / 2;
}

/** The numbers, from 1, of two edges that meet where they should not. */
function crossed(points) {
  const count = points.length;
  const edge = (index) => [points[index], points[(index + 1) % count]];
  for (let one = 0; one < count; one += 1) {
    if (same(...edge(one))) return [one + 1, ((one + 1) % count) + 1];
    for (let other = one + 1; other < count; other += 1) {
      const areNeighbours = other === one + 1 || (one === 0 && other === count - 1);
      if (areNeighbours ? foldsBack(edge(one), edge(other), other === one + 1) : meet(edge(one), edge(other))) {
        return [one + 1, other + 1];
      }
    }
  }
  return null;
}

const turn = ([ax, ay], [bx, by], [cx, cy]) => Math.sign((bx - ax) * (cy - ay) - (by - ay) * (cx - ax));

/** Whether the second of two neighbours goes back over the first. */
function foldsBack(one, other, inOrder) {
  const [from, corner, to] = inOrder ? [one[0], one[1], other[1]] : [one[1], one[0], other[0]];
  const along = (corner[0] - from[0]) * (to[0] - corner[0]) + (corner[1] - from[1]) * (to[1] - corner[1]);
  return turn(from, corner, to) === 0 && along < 0;
}

function meet([a, b], [c, d]) {
  const [left, right, above, below] = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
  if (left !== right && above !== below) return true;
  const on = ([px, py], [qx, qy], [x, y]) =>
    Math.min(px, qx) <= x && x <= Math.max(px, qx) && Math.min(py, qy) <= y && y <= Math.max(py, qy);
  return (left === 0 && on(a, b, c)) || (right === 0 && on(a, b, d)) || (above === 0 && on(c, d, a)) || (below === 0 && on(c, d, b));
}
