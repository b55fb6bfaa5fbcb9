"""Video to annotated video, written by hand: OpenCV, ONNX Runtime, supervision, ffmpeg.

usage: by_hand.py VIDEO MODEL OUT.mp4
"""

import time

process_started = time.perf_counter()

import json
import sys

import cv2
import onnxruntime as ort

from annotated_video import AnnotatedVideo
from nanodet import NanoDet


def main(video, model, out):
    started = time.perf_counter()
    detector = NanoDet(model)
    loaded = time.perf_counter()

    capture = cv2.VideoCapture(video)
    if not capture.isOpened():
        sys.exit(f"cannot open {video}")
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = AnnotatedVideo(out, width, height, capture.get(cv2.CAP_PROP_FPS))
    frames = found = 0
    while True:
        ok, image = capture.read()
        if not ok:
            break
        detections = detector(image)
        writer.write(image, detections)
        frames += 1
        found += len(detections)
    writer.close()

    seconds = time.perf_counter() - started
    print(json.dumps({
        "program": "by_hand",
        "frames": frames,
        "seconds": round(seconds, 3),
        "model_load_seconds": round(loaded - started, 3),
        "import_seconds": round(started - process_started, 3),
        "fps": round(frames / seconds, 2),
        "detections": found,
        "onnxruntime": ort.__version__,
    }))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
