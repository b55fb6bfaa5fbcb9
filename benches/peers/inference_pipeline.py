"""The same job with Roboflow's InferencePipeline around the same model code.

usage: inference_pipeline.py VIDEO MODEL OUT.mp4
"""

import time

process_started = time.perf_counter()

import json
import os
import sys

# Nothing here needs a network.
os.environ.setdefault("OFFLINE_MODE", "True")
os.environ.setdefault("METRICS_ENABLED", "False")
os.environ.setdefault("TELEMETRY_OPT_OUT", "True")

import onnxruntime as ort
from inference import InferencePipeline
from inference.core.interfaces.camera.entities import UpdateSeverity
from inference.core.interfaces.camera.video_source import BufferConsumptionStrategy, BufferFillingStrategy

from annotated_video import AnnotatedVideo
from nanodet import NanoDet


class Sink:
    """Called in turn for every frame, on another thread than the model."""

    def __init__(self, out):
        self.out, self.writer = out, None
        self.frames = self.found = self.last_id = 0
        self.total = None

    def __call__(self, detections, frame):
        if frame.frame_id != self.last_id + 1:
            raise RuntimeError(f"frame {frame.frame_id} came after {self.last_id}")
        if self.writer is None:
            height, width = frame.image.shape[:2]
            self.writer = AnnotatedVideo(self.out, width, height, frame.fps)
        self.writer.write(frame.image, detections)
        self.last_id, self.total = frame.frame_id, frame.total_frames
        self.frames += 1
        self.found += len(detections)


def main(video, model, out):
    started = time.perf_counter()
    detector = NanoDet(model)
    loaded = time.perf_counter()

    # The pipeline logs what its callbacks raise and goes on; a benchmark must not.
    wrong = []

    def on_status(update):
        if update.event_type == "FRAME_DROPPED" or update.severity.value >= UpdateSeverity.ERROR.value:
            wrong.append(f"{update.event_type} {update.payload}")

    sink = Sink(out)
    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=video,
        on_video_frame=lambda frames: [detector(frame.image) for frame in frames],
        on_prediction=sink,
        status_update_handlers=[on_status],
        # Every frame of the file, in its order; the default for files, but said here.
        source_buffer_filling_strategy=BufferFillingStrategy.WAIT,
        source_buffer_consumption_strategy=BufferConsumptionStrategy.LAZY,
    )
    pipeline.start()
    pipeline.join()
    if sink.writer is not None:
        sink.writer.close()
    seconds = time.perf_counter() - started

    if sink.frames == 0 or sink.frames != sink.total:
        wrong.append(f"{sink.frames} of {sink.total} frames")
    if wrong:
        sys.exit(f"{len(wrong)} errors, first: {wrong[0]}")
    print(json.dumps({
        "program": "inference_pipeline",
        "frames": sink.frames,
        "seconds": round(seconds, 3),
        "model_load_seconds": round(loaded - started, 3),
        "import_seconds": round(started - process_started, 3),
        "fps": round(sink.frames / seconds, 2),
        "detections": sink.found,
        "onnxruntime": ort.__version__,
    }))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
