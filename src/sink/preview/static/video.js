// The bare video, burnt in unless `?drawn=0`. An image whose stream broke does not come back by
// itself, and does not tell either: so this reads the pictures as the page does.

import { watch } from "./feed.js";
import { address } from "./wire.js";

const query = new URLSearchParams(location.search);
const canvas = document.getElementById("video");
const context = canvas.getContext("2d", { alpha: false });
let next = null;
let isBusy = false;

/** Shows the newest picture; those that come while one is decoded are left out. */
async function show() {
  isBusy = true;
  while (next) {
    const jpeg = next;
    next = null;
    try {
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
        Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
      }
      context.drawImage(bitmap, 0, 0);
      bitmap.close();
    } catch (error) {
      console.warn(`a picture cannot be shown: ${error.message}`);
    }
  }
  isBusy = false;
}

// An empty name is that of the first source.
const wanted = { source: query.get("source") ?? "", drawn: query.get("drawn") ?? "1", token: query.get("token") };
watch(address("pictures", wanted), {
  packet: (head, jpeg) => {
    if (!jpeg.length) return;
    next = jpeg;
    if (!isBusy) show();
  },
});
