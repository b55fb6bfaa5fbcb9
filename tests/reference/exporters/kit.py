"""Shared by the scripts that make and judge real exports: pictures, and the file of expected results.

An export NAME.onnx has NAME.expected.json beside it: what the exporter's own program finds with the same file and the same pictures.
Weights are random but reproducible: only the reading of inputs and outputs is judged.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SEED = 7
SIZES = {"wide": (640, 360), "tall": (300, 500), "small": (97, 61)}


def picture(width, height, seed):
    """Smooth noise with sharp rectangles: edges for the resize, areas for the mean."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (max(height // 24, 2), max(width // 24, 2), 3), np.uint8)
    pixels = np.array(Image.fromarray(coarse).resize((width, height), Image.BICUBIC))
    for _ in range(12):
        x, y = random.integers(0, width - 8), random.integers(0, height - 8)
        w, h = random.integers(4, width // 2), random.integers(4, height // 2)
        pixels[y:y + h, x:x + w] = random.integers(0, 256, 3)
    return Image.fromarray(pixels)


def pictures(folder, size):
    """Paths of the pictures for a model of this size (width, height), made where they are missing."""
    folder = Path(folder) / "pics"
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {**SIZES, f"x{size[0]}x{size[1]}": tuple(size)}
    paths = []
    for seed, (name, (width, height)) in enumerate(sizes.items()):
        path = folder / f"{name}.png"
        if not path.exists():
            picture(width, height, seed).save(path)
        paths.append(path)
    return paths


def alike(folder, size, count=3):
    """Paths of so many pictures of just this size (width, height), for what no resize may blur."""
    folder = Path(folder) / "pics"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in range(count):
        path = folder / f"y{size[0]}x{size[1]}-{seed}.png"
        if not path.exists():
            picture(*size, 100 + seed).save(path)
        paths.append(path)
    return paths


def save(folder, name, conf, task, found, names=None, may_refuse=False, options="", **more):
    """Writes NAME.expected.json.

    found: {path of a picture: [{"xyxy", "conf", "cls"} and, where the task has them, "keypoints" [[x, y, score]...],
    "corners" [[x, y] * 4], "polygon" [[x, y]...]]}, boxes in pixels of the picture; for a classifier [{"conf", "cls"}...], best first.
    names: {id: name} as the file says, None where it says nothing. options: what must be said on the command line, such as "--head classify".
    """
    def plain(value):
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        if hasattr(value, "tolist"):
            return plain(value.tolist())
        return round(value, 5) if isinstance(value, float) else value

    entry = {"conf": conf, "task": task, "may_refuse": may_refuse, "names": names, "options": options,
             "pics": {Path(path).name: boxes for path, boxes in found.items()}, **more}
    (Path(folder) / f"{name}.expected.json").write_text(json.dumps(plain(entry)))


def liven(model, run, targets=(), seed=SEED, alike=()):
    """Gives a torch model seeded weights under which outputs depend on the picture, and its last layers wished-for outputs.

    run(): calls the model on pictures. Every Linear and Conv2d gets the weights that make its output's deviation 1 at its first call (mean 0
    in every channel where it has biases), and every batch normalisation the statistics of its input, so that places differ.
    targets: {layer: (mean, deviation)}, numbers or a list with one a channel, are met in every channel.
    alike: embeddings by query whose rows get equal, where queries are paired with chosen cells: else two cells of almost equal scores that
    change places, as after another way of rounding, change all that is found.
    """
    import torch
    from torch import nn

    random = torch.Generator().manual_seed(seed)
    targets, seen, hooks, pictures = dict(targets), set(), [], []

    def even(layer, values):
        """Takes out of the weights what tells whole pictures apart, so that each of them gets its share of high scores."""
        plain = isinstance(layer, nn.Linear) or layer.kernel_size == (1, 1) and layer.groups == 1
        if not plain or values.dim() < 3 or len(values) != pictures[0]:
            return
        means = values.mean((2, 3)) if isinstance(layer, nn.Conv2d) else values.flatten(1, -2).mean(1)
        base = torch.linalg.svd(means - means.mean(0), full_matrices=False)[2][:len(values) - 1]
        if len(base) < base.shape[1]:
            weights = layer.weight.flatten(1)
            layer.weight.copy_((weights - weights @ base.T @ base).reshape(layer.weight.shape))

    def settle(layer, inputs, output):
        if layer in seen:
            return None
        seen.add(layer)
        if not pictures:
            pictures.append(len(output))
        if layer in targets:
            even(layer, inputs[0])
            output = type(layer).forward(layer, inputs[0])
        axis = 1 if output.dim() == 4 and not isinstance(layer, nn.Linear) else output.dim() - 1
        other = [i for i in range(output.dim()) if i != axis]
        shape = [-1 if i == axis else 1 for i in range(output.dim())]
        bias = layer.bias if layer.bias is not None else torch.zeros(output.shape[axis])
        raw = output - bias.reshape(shape)
        if layer in targets:
            mean, deviation = (torch.as_tensor(t, dtype=raw.dtype).expand(output.shape[axis]) for t in targets[layer])
            gain = deviation / raw.std(other).clamp(min=1e-4)
            shift = mean - raw.mean(other) * gain
        else:
            gain = (1 / raw.std().clamp(min=1e-4)).expand(output.shape[axis])
            shift = -raw.mean(other) * gain
        layer.weight.mul_(gain.reshape([-1] + [1] * (layer.weight.dim() - 1)))
        if layer.bias is not None:
            layer.bias.copy_(shift)
            return raw * gain.reshape(shape) + shift.reshape(shape)
        return raw * gain.reshape(shape)

    def measure(layer, inputs):
        if layer not in seen:
            seen.add(layer)
            layer.running_mean.copy_(inputs[0].mean((0, 2, 3)))
            layer.running_var.copy_(inputs[0].var((0, 2, 3)).clamp(min=1e-6))

    with torch.no_grad():
        for layer in model.modules():
            if getattr(layer, "running_mean", None) is not None and getattr(layer, "running_var", None) is not None:
                hooks.append(layer.register_forward_pre_hook(measure))
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                layer.weight.normal_(0, 1, generator=random)
                hooks.append(layer.register_forward_hook(settle))
            elif isinstance(layer, nn.Embedding):
                layer.weight.normal_(0, 1, generator=random)
        for name, weights in model.named_parameters():
            if weights.dim() > 1 and weights.numel() > 1 and weights.std() == 0:  # tokens and positions that begin as zeros
                weights.normal_(0, 1, generator=random)
        for layer in alike:
            layer.weight.copy_(layer.weight[:1].expand_as(layer.weight).clone())
        model.eval()
        run()
    for hook in hooks:
        hook.remove()
    return model


def session(path):
    """ONNX Runtime on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def rows(boxes, scores, classes, **more):
    """Boxes as `save` takes them; more: lists such as keypoints."""
    names = list(more)
    found = zip(boxes, scores, classes, *more.values())
    return [{"xyxy": [float(v) for v in box], "conf": float(score), "cls": int(cls), **dict(zip(names, rest))}
            for box, score, cls, *rest in found]


def summary(folder, name):
    """Prints inputs, outputs, notes of the file and how many boxes are expected."""
    import onnx

    model = onnx.load(str(Path(folder) / f"{name}.onnx"), load_external_data=False)
    def side(value):
        kind = value.type.tensor_type
        return value.name, onnx.TensorProto.DataType.Name(kind.elem_type), [d.dim_param or d.dim_value for d in kind.shape.dim]
    expected = json.loads((Path(folder) / f"{name}.expected.json").read_text())
    counts = {key: (len(boxes) if isinstance(boxes, list) else "-") for key, boxes in expected["pics"].items()}
    classes = {box.get("cls") for boxes in expected["pics"].values() if isinstance(boxes, list) for box in boxes}
    print(name, "|", model.producer_name, model.producer_version, "| opset", [o.version for o in model.opset_import if not o.domain],
          "|", *[side(v) for v in model.graph.input], "->", *[side(v) for v in model.graph.output],
          "| notes", sorted(p.key for p in model.metadata_props), "| found", counts, "classes", len(classes), flush=True)


def shift(logits, background, conf, wanted=40):
    """What to add to all logits (sigmoid), or to the last one (softmax over a background there), for about so many scores above conf a picture."""
    low, high = -40.0, 40.0
    for _ in range(40):
        middle = (low + high) / 2
        if background:
            moved = logits.clone()
            moved[..., -1] += middle
            scores = moved.softmax(-1)[..., :-1].max(-1)[0]
        else:
            scores = (logits + middle).sigmoid()
        count = (scores.flatten(1) > conf).sum(1).clamp(max=2 * wanted).float().mean()
        more = count < wanted
        if more != background:
            low = middle
        else:
            high = middle
    return middle


def main(work):
    """Makes the exports of `work`, {name: function of the folder, the folder of pictures and the name}; whether one failed.

    Arguments: FOLDER PICTURES_FOLDER [NAME...]; NAME stands for all that begin with it, NAME= for itself alone; -v stops at the first error.
    """
    folder, pictures, *names = sys.argv[1:]
    stop = "-v" in names
    names = [name for name in names if name != "-v"]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    failed = False
    for name, make in work.items():
        if names and not any(name == n[:-1] if n.endswith("=") else name.startswith(n) for n in names):
            continue
        try:
            make(folder, Path(pictures), name)
            summary(folder, name)
        except Exception as error:
            failed = True
            print(f"{name}: {type(error).__name__}: {str(error)[-400:]}", flush=True)
            if stop:
                raise
    return failed
