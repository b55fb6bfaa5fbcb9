"""Exports detection, segmentation and keypoint models of the PyPI package rfdetr, and writes what its predict() finds with them.

usage: make_rfdetr.py FOLDER PICTURES_FOLDER [NAME...]

FOLDER gets NAME.onnx and NAME.expected.json, PICTURES_FOLDER/pics the pictures. Needs rfdetr, torch, onnx, onnxruntime, onnxconverter-common,
opencv-python. The backbone is scaled down and weights are random: see kit.py. predict() runs with the ONNX file in the place of its network,
so resize, normalisation, choice of queries and the reading of masks and keypoints are rfdetr's own.
"""
import sys
import warnings

import cv2
import numpy as np
import rfdetr
import torch
from PIL import Image
from rfdetr.models.backbone import dinov2

import kit

warnings.filterwarnings("ignore")
CONF = 0.3
KEYPOINTS = 17


def small_backbone(size, use_registers):
    """In the place of the package's own configurations of DINOv2."""
    return {"attention_probs_dropout_prob": 0.0, "drop_path_rate": 0.0, "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "hidden_size": 48,
            "image_size": 518, "initializer_range": 0.02, "layer_norm_eps": 1e-6, "layerscale_value": 1.0, "mlp_ratio": 2, "model_type": "dinov2",
            "num_attention_heads": 4, "num_channels": 3, "num_hidden_layers": 4, "patch_size": 14, "qkv_bias": True, "use_swiglu_ffn": False}


dinov2.get_config = small_backbone
dinov2.size_to_width["small"] = 48
SMALL = dict(pretrain_weights=None, out_feature_indexes=[1, 2, 3, 4], hidden_dim=32, sa_nheads=4, ca_nheads=4, dec_layers=2, device="cpu")


def nano(classes):
    return rfdetr.RFDETRNano(num_classes=classes, resolution=320, positional_encoding_size=20, **SMALL)


def base(classes):
    """Patches of 14 pixels and 4 windows."""
    return rfdetr.RFDETRBase(num_classes=classes, resolution=280, positional_encoding_size=20, **SMALL)


def segmenter(classes):
    return rfdetr.RFDETRSegNano(num_classes=classes, resolution=192, positional_encoding_size=16, **SMALL)


def keypoints(classes):
    return rfdetr.RFDETRKeypointPreview(num_classes=classes, num_keypoints_per_class=[KEYPOINTS] * classes, resolution=240,
                                        positional_encoding_size=20, **SMALL)


def ready(make, classes, pictures):
    torch.manual_seed(kit.SEED)
    model = make(classes)
    net = model.model.model
    side = model.model.resolution
    paths = kit.pictures(pictures, (side, side))
    values = torch.stack([model_input(model, path) for path in paths])
    class_layers, targets = [], {}
    for name, layer in net.named_modules():
        if not isinstance(layer, torch.nn.Linear):
            continue
        if "class_embed" in name:
            class_layers.append(layer)
            targets[layer] = (0.0, 0.8)
        elif layer.out_features == 4 and "enc_out_bbox_embed" in name:
            targets[layer] = ([0.0, 0.0, 1.2, 1.2], [0.6, 0.6, 0.4, 0.4])
        elif layer.out_features == 4 and "bbox_embed" in name:
            targets[layer] = (0.0, 0.2)
    alike = [layer for name, layer in net.named_modules() if name.endswith(("query_feat", "refpoint_embed"))]
    kit.liven(net, lambda: net(values), targets, alike=alike)
    with torch.no_grad():
        found = net(values)
        logits = found["pred_logits"] if isinstance(found, dict) else found[1]
        more = kit.shift(logits[..., :classes] if classes < logits.shape[-1] else logits, False, CONF)
        for bias in {id(layer.bias): layer.bias for layer in class_layers}.values():
            bias += more
            if len(bias) == classes + 1 and classes < 90:
                bias[-1] = -20.0  # the slot after the classes, for which no model is trained
    return model, paths


def model_input(model, path):
    """As predict() prepares it."""
    from torchvision.transforms import functional

    side = model.model.resolution
    tensor = functional.resize(functional.to_tensor(Image.open(path).convert("RGB")), [side, side], antialias=False)
    return functional.normalize(tensor, model.means, model.stds)


def judge(model, path, paths):
    """predict() with the ONNX file as its network."""
    session = kit.session(path)
    kind = {"tensor(float)": np.float32, "tensor(float16)": np.float16}[session.get_inputs()[0].type]

    def network(batch):
        return tuple(torch.from_numpy(v.astype(np.float32)) for v in session.run(None, {"input": batch.numpy().astype(kind)}))

    context = model.model
    context.inference_model = network
    model._is_optimized_for_inference, model._optimized_has_been_compiled = True, False
    model._optimized_resolution, model._optimized_dtype = context.resolution, torch.float32
    found = {}
    for picture in paths:
        result = model.predict(str(picture), threshold=CONF)
        if hasattr(result, "keypoint_confidence"):
            points = np.concatenate([result.xy, result.keypoint_confidence[..., None]], -1)
            found[picture] = kit.rows(result.data["xyxy"], result.detection_confidence, result.class_id, keypoints=points)
        elif result.mask is not None:
            found[picture] = kit.rows(result.xyxy, result.confidence, result.class_id, mask=[runs(m) for m in result.mask],
                                      polygon=[outline(m) for m in result.mask])
        else:
            found[picture] = kit.rows(result.xyxy, result.confidence, result.class_id)
    return found


def runs(mask):
    """How many pixels are off, on, off..., row by row."""
    flat = np.concatenate([[0], mask.astype(np.uint8).ravel(), [2]])
    ends = np.flatnonzero(np.diff(flat)) if mask.any() else np.array([mask.size])
    lengths = np.diff(np.concatenate([[0], ends]))
    return lengths.tolist()


def outline(mask):
    """The outline of the largest part."""
    parts, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(parts, key=cv2.contourArea).reshape(-1, 2).tolist() if parts else []


def make(folder, pictures, name, kind, classes, task="detect", half=None, **more):
    model, paths = ready(kind, classes, pictures)
    path = folder / f"{name}.onnx"
    model.export(output_dir=str(folder), output_name=name, verbose=False, **more)
    if half:
        import onnx
        import onnxslim
        from onnxconverter_common import float16

        folded = onnxslim.slim(onnx.load(str(path)))  # without it, casts to float32 stay and ONNX Runtime refuses the file
        onnx.save(float16.convert_float_to_float16(folded, keep_io_types=half == "inside"), str(path))
    kit.save(folder, name, CONF, task, judge(model, path, paths))


WORK = {
    "nano-3": lambda *a: make(*a, nano, 3),
    "nano-1": lambda *a: make(*a, nano, 1),
    "nano-coco": lambda *a: make(*a, nano, 90),
    "nano-3-batch": lambda *a: make(*a, nano, 3, dynamic_batch=True, notes={"site": "north", "version": 2}),
    "nano-3-half": lambda *a: make(*a, nano, 3, half="all"),
    "nano-3-half-inside": lambda *a: make(*a, nano, 3, half="inside"),
    "base-3": lambda *a: make(*a, base, 3),
    "seg-3": lambda *a: make(*a, segmenter, 3, task="segment"),
    "seg-coco": lambda *a: make(*a, segmenter, 90, task="segment"),
    "seg-3-half": lambda *a: make(*a, segmenter, 3, task="segment", half="all"),
    "keypoints-1": lambda *a: make(*a, keypoints, 1, task="pose"),
    "keypoints-2": lambda *a: make(*a, keypoints, 2, task="pose"),
}


if __name__ == "__main__":
    sys.exit(kit.main(WORK))
