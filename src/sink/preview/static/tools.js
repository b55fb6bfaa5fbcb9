// Small helpers that every part of the page uses. All text is set as text, never as HTML: names of
// classes and sources come from models and files of others.

/** Makes an element; `props` are properties, but for `class`, `data`, `aria` and events (`onclick`). */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "aria") for (const [key, of] of Object.entries(value)) element.setAttribute(`aria-${key}`, of);
    else if (name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets text only where it differs, so that selections and screen readers are left alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Seconds as `4.1 s`, `2:05` or `1:02:05`. */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** The time of a record as people read it. */
export function when(record) {
  if (record.ts) return new Date(record.ts).toLocaleTimeString();
  if (record.pts_s !== undefined) return clock(record.pts_s);
  return record.file ?? `frame ${record.frame_id}`;
}

/** `1 frame`, `2 frames`. */
export function of(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** Copies text; browsers allow the new way on secure origins only, and a camera in the LAN is none. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { value: text, class: "offscreen" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** A button that copies what `text` gives, and says that it did. */
export function copyButton(label, text) {
  const button = make("button", { type: "button", class: "small" }, label);
  button.onclick = async () => {
    const done = await copy(text());
    say(button, done ? "Copied" : "Select it and copy it by hand");
    setTimeout(() => say(button, label), 1500);
  };
  return button;
}

/** A setting that outlives a reload, where the browser lets it. */
export const kept = {
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`vision-pipe.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`vision-pipe.${name}`, JSON.stringify(value));
    } catch {
      // Private windows refuse: then it lasts for this page.
    }
  },
};
