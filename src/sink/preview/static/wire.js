// The connection for everything but pictures: /events of all sources, which comes back by itself.

/** Addresses are relative to this folder's parent, so that the page works below any path. */
const base = new URL("../", import.meta.url);

/** The address of an endpoint. */
export function address(path, query = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.set(name, value);
  }
  return url;
}

/** Takes the token out of the address bar: by now the browser has it as a cookie. */
export function hideToken() {
  const url = new URL(location.href);
  if (url.searchParams.has("token")) {
    url.searchParams.delete("token");
    history.replaceState(null, "", url);
  }
}

/** Longest silence, milliseconds: the server speaks every second. */
const SILENCE_MS = 6000;

/** How long to wait before another try, milliseconds. */
const AGAIN_MS = 1500;

/** Words of the stream, each with JSON. */
const WORDS = ["hello", "health", "run", "event", "state", "summary"];

/** Finds out why there is no stream: the browser does not say. */
async function ask(on) {
  try {
    const answer = await fetch(address("healthz"), { cache: "no-store" });
    const text = (await answer.text()).trim();
    on.refused?.(answer.ok ? "Too many watch already. This page keeps trying." : text);
  } catch {
    // It does not answer at all, which is said elsewhere.
  }
}

/**
 * Listens for ever. `on` has a function for each of WORDS that it cares for, and `connection`,
 * which is told whether there is one, and `refused`, which is told why there is none.
 */
export function listen(on) {
  let source = null;
  let heard = Date.now();
  let first = true;

  const open = () => {
    // Earlier events are wanted once; after a break the list is as it was.
    const query = { frames: 0, health: 1, replay: first ? 60 : 0 };
    source = new EventSource(address("events", query));
    heard = Date.now();
    for (const word of WORDS) {
      source.addEventListener(word, (message) => {
        heard = Date.now();
        if (word === "hello") {
          first = false;
          on.connection?.(true);
        }
        on[word]?.(JSON.parse(message.data));
      });
    }
    source.onerror = () => {
      on.connection?.(false);
      // The browser tries again by itself, but for answers such as 503, after which it gives up.
      if (source.readyState !== EventSource.CLOSED) return;
      ask(on);
      again();
    };
  };
  const again = () => {
    source.close();
    heard = Date.now();
    setTimeout(open, AGAIN_MS);
  };
  setInterval(() => {
    if (Date.now() - heard > SILENCE_MS) {
      on.connection?.(false);
      again();
    }
  }, 1000);
  open();
}
