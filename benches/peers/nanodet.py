"""NanoDet in ONNX Runtime: from a BGR picture to supervision's Detections."""

import cv2
import numpy as np
import onnxruntime as ort
import supervision as sv

MEAN = (103.53, 116.28, 123.675)  # blue, green, red
STD = np.array([57.375, 57.12, 58.395], np.float32).reshape(1, 3, 1, 1)
STRIDES = (8, 16, 32)
PAD = 114


class NanoDet:
    def __init__(self, path, conf=0.25, iou=0.5, threads=2):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.conf, self.iou = conf, iou
        model_input = self.session.get_inputs()[0]
        self.input, self.size = model_input.name, model_input.shape[2]
        self.canvas = np.full((self.size, self.size, 3), PAD, np.uint8)
        self.content = None

        # The outputs are known by their shapes: [1, cells, classes] and [1, cells, 4 * bins] of each stride.
        by_cells = {}
        for output in self.session.get_outputs():
            by_cells.setdefault(output.shape[1], []).append(output)
        centres, strides, scores, boxes = [], [], [], []
        for stride in STRIDES:
            n = self.size // stride
            score, box = sorted(by_cells[n * n], key=lambda output: output.shape[2] != 80)
            if score.shape[2] != 80 or box.shape[2] % 4:
                raise ValueError(f"outputs of stride {stride}: {score.shape} and {box.shape}")
            scores.append(score.name)
            boxes.append(box.name)
            row, column = np.divmod(np.arange(n * n), n)
            centres.append((np.stack([column, row], 1) + 0.5) * stride)
            strides.append(np.full(n * n, stride))
        self.outputs = scores + boxes
        self.bins = np.arange(box.shape[2] // 4, dtype=np.float32)
        self.centres = np.concatenate(centres).astype(np.float32)
        self.strides = np.concatenate(strides).astype(np.float32)

    def __call__(self, image):
        blob, scale = self.prepare(image)
        outputs = self.session.run(self.outputs, {self.input: blob})
        return self.decode(outputs, scale, image.shape)

    def prepare(self, image):
        height, width = image.shape[:2]
        scale = min(self.size / height, self.size / width)
        content = round(width * scale), round(height * scale)
        if content != self.content:
            self.canvas[:] = PAD
            self.content = content
        cv2.resize(image, content, dst=self.canvas[: content[1], : content[0]])
        blob = cv2.dnn.blobFromImage(self.canvas, mean=MEAN)
        blob /= STD
        return blob, scale

    def decode(self, outputs, scale, shape):
        levels = len(STRIDES)
        scores = np.concatenate(outputs[:levels], 1)[0]
        best = scores.max(1)
        cells = np.flatnonzero(best >= self.conf)
        if not len(cells):
            return sv.Detections.empty()
        confidence, class_id = best[cells], scores[cells].argmax(1)

        # Softmax and expectation only where something was found.
        sides = np.concatenate(outputs[levels:], 1)[0, cells].reshape(len(cells), 4, len(self.bins))
        sides = np.exp(sides - sides.max(2, keepdims=True))
        distance = sides @ self.bins / sides.sum(2) * self.strides[cells, None]
        low = self.centres[cells] - distance[:, :2]
        high = self.centres[cells] + distance[:, 2:]

        xywh = np.concatenate([low, high - low], 1)
        kept = cv2.dnn.NMSBoxesBatched(xywh, confidence, class_id, 0.0, self.iou)
        xyxy = np.concatenate([low[kept], high[kept]], 1) / scale
        height, width = shape[:2]
        xyxy = xyxy.clip(0, (width, height, width, height))
        return sv.Detections(xyxy=xyxy, confidence=confidence[kept], class_id=class_id[kept])
