// The connection for pictures: /pictures, on which each picture comes with its record, so that
// boxes are always those of the picture they are drawn on.

/** How long to wait before another try, milliseconds, first and at most. */
const AGAIN_MS = [500, 5000];

/** Bytes that arrive in pieces and are taken in lengths. */
class Bytes {
  constructor() {
    this.pieces = [];
    this.length = 0;
  }

  add(piece) {
    this.pieces.push(piece);
    this.length += piece.length;
  }

  /** The next `count` bytes, or null where they are not there yet. */
  take(count) {
    if (this.length < count) return null;
    const taken = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const piece = this.pieces[0];
      const part = piece.subarray(0, count - at);
      taken.set(part, at);
      at += part.length;
      if (part.length === piece.length) this.pieces.shift();
      else this.pieces[0] = piece.subarray(part.length);
    }
    this.length -= count;
    return taken;
  }
}

/** Calls `take(head, jpeg)` for each packet of a stream until it ends. */
async function read(stream, take) {
  const reader = stream.getReader();
  const bytes = new Bytes();
  const text = new TextDecoder();
  let length = null;
  let head = null;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    bytes.add(value);
    for (;;) {
      if (length === null) {
        const four = bytes.take(4);
        if (!four) break;
        length = new DataView(four.buffer).getUint32(0);
      }
      if (head === null) {
        const json = bytes.take(length);
        if (!json) break;
        head = JSON.parse(text.decode(json));
      }
      const jpeg = bytes.take(head.bytes);
      if (!jpeg) break;
      take(head, jpeg);
      length = head = null;
    }
  }
}

/**
 * Watches the pictures of an address until the function that it gives back is called. `on.packet`
 * is given each of them, `on.trouble` the reason when there are none, or null when there are again.
 */
export function watch(url, on) {
  const stop = new AbortController();
  const follow = async () => {
    let pause = AGAIN_MS[0];
    while (!stop.signal.aborted) {
      try {
        const answer = await fetch(url, { signal: stop.signal, cache: "no-store" });
        if (!answer.ok) throw new Error((await answer.text()).trim());
        on.trouble?.(null);
        pause = AGAIN_MS[0];
        await read(answer.body, on.packet);
      } catch (error) {
        if (stop.signal.aborted) return;
        on.trouble?.(error instanceof TypeError ? "vision-pipe does not answer" : error.message);
      }
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(pause * 2, AGAIN_MS[1]);
    }
  };
  follow();
  return () => stop.abort();
}
