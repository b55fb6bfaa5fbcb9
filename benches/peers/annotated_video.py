"""Draws detections with supervision and encodes the frames with an ffmpeg child."""

import subprocess
from pathlib import Path

import supervision as sv

LABELS = Path(__file__).resolve().parents[2] / "models/labels/coco-80.txt"


class AnnotatedVideo:
    def __init__(self, path, width, height, fps):
        self.names = LABELS.read_text().splitlines()
        self.boxes, self.labels = sv.BoxAnnotator(), sv.LabelAnnotator()
        source = f"-f rawvideo -pix_fmt bgr24 -s {width}x{height} -r {fps} -i -"
        target = "-c:v libx264 -preset veryfast -crf 23 -pix_fmt yuv420p -movflags +faststart"
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *source.split(), *target.split(), path]
        self.ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE)

    def write(self, image, detections):
        """Draws on `image` itself."""
        texts = [
            f"{self.names[class_id]} {confidence:.2f}"
            for class_id, confidence in zip(detections.class_id, detections.confidence)
        ]
        image = self.boxes.annotate(image, detections)
        image = self.labels.annotate(image, detections, texts)
        self.ffmpeg.stdin.write(image.data)

    def close(self):
        """Waits until the file is whole."""
        self.ffmpeg.stdin.close()
        if self.ffmpeg.wait():
            raise RuntimeError(f"ffmpeg ended with {self.ffmpeg.returncode}")
