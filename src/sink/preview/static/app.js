// The page: puts its parts together and passes between them what comes over the two connections.

import { Chart, STEP_MS } from "./chart.js";
import { Editor } from "./editor.js";
import { watch } from "./feed.js";
import { Record } from "./json.js";
import { Detections, Events } from "./lists.js";
import { shown } from "./paint.js";
import { Tile } from "./tile.js";
import { kept, make, of, say, when } from "./tools.js";
import { address, hideToken, listen } from "./wire.js";

/** A page that is not seen gives its pictures up after so long, so that nobody encodes for it. */
const HIDDEN_MS = 5000;

/** Fastest update of the list of detections, milliseconds. */
const LIST_MS = 250;

const look = { boxes: true, labels: true, ids: true, confidence: true, zones: true, drawn: false, least: 0, ...kept.get("look", {}) };

const at = (id) => document.getElementById(id);
const tiles = new Map();
const parts = { chart: new Chart(), detections: new Detections(), events: new Events(), record: new Record(), editor: new Editor() };
const state = { only: null, isConnected: true, trouble: null, stop: null, listed: 0 };

/** The source that is shown large; null for all of several. */
function current() {
  if (state.only !== null && tiles.has(state.only)) return state.only;
  return tiles.size === 1 ? tiles.keys().next().value : null;
}

// --- Pictures -------------------------------------------------------------------------------

function follow() {
  state.stop?.();
  state.stop = null;
  if (!tiles.size || document.hidden) return;
  const query = { source: current(), drawn: look.drawn ? 1 : null };
  state.stop = watch(address("pictures", query), {
    packet: (head, jpeg) => tiles.get(head.source)?.packet(head, jpeg),
    trouble: (why) => {
      state.trouble = why;
      status();
    },
  });
}

function watchVisibility() {
  let timer = null;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) return state.stop ?? follow();
    timer = setTimeout(() => {
      state.stop?.();
      state.stop = null;
    }, HIDDEN_MS);
  });
}

/** Called for each record whose picture is on the screen. */
function onShown(tile, record) {
  if (tile.source !== current()) return;
  parts.record.show(record);
  const now = performance.now();
  if (now - state.listed > LIST_MS) {
    state.listed = now;
    parts.detections.show(record, look);
  }
  const { editor } = parts;
  if (editor.source !== tile.source || editor.size.width !== record.image.width || editor.size.height !== record.image.height) {
    editor.open(tile.source, record.image, tiles.size === 1, tile.outlines.length);
  }
}

function sample() {
  const only = current();
  const chosen = only === null ? [...tiles.values()] : [tiles.get(only)];
  const lively = chosen.filter((tile) => tile?.record && tile.state.state === "live" && state.isConnected);
  parts.chart.add(lively.length && state.stop ? lively.flatMap((tile) => shown(tile.record, look)) : null);
}

// --- Views ----------------------------------------------------------------------------------

function open(source) {
  if (parts.editor.drawing) return;
  if (source === null) history.pushState(null, "", location.pathname + location.search);
  else if (tiles.size > 1) location.hash = `source=${encodeURIComponent(source)}`;
  fromAddress();
}

function fromAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("source");
  if (wanted === state.only) return;
  state.only = wanted;
  parts.chart.clear();
  parts.detections.clear();
  arrange();
  follow();
}

/** Lays the page out for one source or for all. */
function arrange() {
  const only = current();
  document.body.classList.toggle("one", only !== null);
  document.body.classList.toggle("several", tiles.size > 1);
  for (const tile of tiles.values()) tile.element.hidden = only !== null && tile.source !== only;
  parts.events.only(only);
  const { editor } = parts;
  if (only !== null) {
    tiles.get(only).stack.append(editor.stage);
    tiles.get(only).frame.append(at("corner"));
    if (tiles.get(only).record) editor.open(only, tiles.get(only).record.image, tiles.size === 1, tiles.get(only).outlines.length);
  } else {
    editor.leave();
    editor.stage.remove();
    document.body.append(at("corner"));
  }
  at("all").hidden = only === null || tiles.size < 2;
  const query = { source: only, drawn: look.drawn ? 1 : null };
  at("snapshot").href = address("snapshot.jpg", query);
  say(at("title"), only ?? of(tiles.size, "source"));
  document.title = `${only ?? of(tiles.size, "source")} - vision-pipe`;
  for (const element of document.querySelectorAll("[data-one]")) element.hidden = only === null;
  if (only === null) parts.editor.panel.hidden = true;
  repaint();
  status();
}

function repaint() {
  for (const tile of tiles.values()) {
    tile.paint();
    tile.tell(state.isConnected);
  }
}

// --- What is said at the top ----------------------------------------------------------------

function status() {
  const only = current();
  const tile = only === null ? null : tiles.get(only);
  const all = [...tiles.values()].map((one) => one.summary(state.isConnected));
  const bad = all.filter(([kind]) => kind === "bad" || kind === "odd").length;
  const general = bad ? ["odd", `${all.length - bad} of ${all.length} live`] : ["good", "all well"];
  const [kind, word] = tile ? tile.summary(state.isConnected) : tiles.size ? general : ["odd", state.isConnected ? "waiting" : "no connection"];
  at("pill").className = `pill ${state.isConnected || kind === "ended" ? kind : "bad"}`;
  say(at("pill"), word);
  const note = at("note");
  const away = tiles.size ? null : "vision-pipe does not answer. This page keeps trying.";
  const words = state.isConnected || state.isRefused ? state.trouble : away;
  note.hidden = !words;
  say(note, words ?? "");
  facts(tile);
}

function facts(tile) {
  const list = [];
  if (tile) {
    const { input, model, engine } = tile.run ?? {};
    if (tile.record) list.push(when(tile.record), `frame ${tile.record.frame_id.toLocaleString("en")}`);
    if (tile.health) list.push(`${tile.health.fps.toFixed(1)} frames a second`);
    if (tile.rate()) list.push(`${tile.rate().toFixed(1)} shown`);
    if (input) list.push(`${input.width} × ${input.height} px`);
    if (model) list.push(`${model.name}, ${engine}`);
  } else if (tiles.size) {
    const total = [...tiles.values()].reduce((sum, one) => sum + (one.health?.fps ?? 0), 0);
    list.push(`${total.toFixed(1)} frames a second in all`);
  }
  const items = at("facts");
  while (items.children.length > list.length) items.lastChild.remove();
  while (items.children.length < list.length) items.append(make("li"));
  list.forEach((text, index) => say(items.children[index], text));
}

// --- Switches -------------------------------------------------------------------------------

function switches() {
  for (const input of document.querySelectorAll("[data-look]")) {
    const name = input.dataset.look;
    input.checked = look[name];
    input.onchange = () => {
      look[name] = input.checked;
      changed();
      if (name === "drawn") {
        arrange();
        follow();
      }
    };
  }
  const least = at("least");
  least.value = look.least * 100;
  least.oninput = () => {
    look.least = Number(least.value) / 100;
    changed();
  };
  changed();
}

function changed() {
  kept.set("look", look);
  const text = `${Math.round(look.least * 100)} %`;
  say(at("least-value"), text);
  at("least").setAttribute("aria-valuetext", text);
  document.body.classList.toggle("drawn", look.drawn);
  for (const input of document.querySelectorAll("[data-look]")) input.disabled = look.drawn && input.dataset.look !== "drawn";
  const tile = tiles.get(current());
  if (tile?.record) parts.detections.show(tile.record, look);
  repaint();
}

function theme() {
  const names = ["auto", "light", "dark"];
  let name = kept.get("theme", "auto");
  const set = () => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    say(at("theme"), { auto: "Auto", light: "Light", dark: "Dark" }[name]);
    at("theme").setAttribute("aria-label", `Colours: ${name}`);
    parts.chart.paint();
  };
  at("theme").onclick = () => {
    name = names[(names.indexOf(name) + 1) % names.length];
    kept.set("theme", name);
    set();
  };
  set();
}

function keys(event) {
  const isTyping = event.target.closest("input[type=text], textarea");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && current() !== null && tiles.size > 1) open(null);
  else if (event.key === "f" && current() !== null) fullscreen();
}

function fullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else tiles.get(current())?.frame.requestFullscreen?.();
}

// --- What the server says -------------------------------------------------------------------

function introduce({ sources }) {
  const before = tiles.size;
  for (const { source, run, outlines, ...rest } of sources) {
    let tile = tiles.get(source);
    if (!tile) {
      tile = new Tile(source, { shown: onShown, open, look: () => ({ ...look, roomy: current() !== null }) });
      tiles.set(source, tile);
      at("tiles").append(tile.element);
    }
    begin(tile, run);
    Object.assign(tile, { outlines, state: rest });
  }
  at("tiles").dataset.count = tiles.size;
  if (tiles.size !== before) {
    arrange();
    follow();
  } else repaint();
}

/** Notes what a source runs now; what is listed of an earlier run goes. */
function begin(tile, run) {
  if (tile.run && run && tile.run.run_id !== run.run_id) parts.events.forget(tile.source);
  tile.run = run;
}

function connect() {
  listen({
    hello: introduce,
    connection: (isConnected) => {
      if (isConnected && state.isRefused) state.trouble = null;
      state.isRefused = state.isRefused && !isConnected;
      state.isConnected = isConnected;
      repaint();
      status();
    },
    refused: (why) => {
      Object.assign(state, { trouble: why, isRefused: true });
      status();
    },
    health: (all) => {
      for (const { source, state: word, reason, ...health } of all) {
        const tile = tiles.get(source);
        if (tile) Object.assign(tile, { health, state: { state: word, reason } }).tell(state.isConnected);
      }
      status();
    },
    state: ({ source, ...said }) => {
      const tile = tiles.get(source);
      if (tile) Object.assign(tile, { state: said }).tell(state.isConnected);
      status();
    },
    run: (run) => {
      const tile = tiles.get(run.source);
      if (tile) begin(tile, run);
    },
    event: (event) => {
      parts.events.add(event);
      parts.events.only(current());
    },
  });
}

function start() {
  hideToken();
  const { chart, detections, events, record, editor } = parts;
  at("side").append(chart.element, detections.element, events.element);
  detections.element.dataset.one = "";
  at("below").append(editor.panel, record.element);
  record.element.dataset.one = "";
  at("draw").append(editor.buttons.zone, editor.buttons.line);
  at("all").onclick = () => open(null);
  at("full").onclick = fullscreen;
  at("corner").onclick = (event) => event.stopPropagation();
  switches();
  theme();
  addEventListener("hashchange", fromAddress);
  addEventListener("popstate", fromAddress);
  addEventListener("keydown", keys);
  watchVisibility();
  setInterval(sample, STEP_MS);
  fromAddress();
  connect();
}

start();
