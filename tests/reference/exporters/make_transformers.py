"""Exports detectors, classifiers and semantic models of the PyPI package transformers, and writes what its image processors find.

usage: make_transformers.py FOLDER PICTURES_FOLDER [NAME...]

FOLDER gets NAME.onnx and NAME.expected.json, PICTURES_FOLDER/pics the pictures. Needs torch, torchvision, transformers, onnx, onnxscript,
onnxruntime. Configurations are scaled down and weights random: see kit.py. Outputs are named as optimum names them.
"""
import sys
import warnings
from types import SimpleNamespace

import torch
import transformers as tf
from PIL import Image

import kit

warnings.filterwarnings("ignore")
CONF = 0.3
SIZE = 160
LARGE = 320  # where 300 queries are chosen of cells of 16 pixels


def names(count):
    return {i: f"thing {i}" for i in range(count)}


def labels(count):
    return {"id2label": names(count), "label2id": {name: i for i, name in names(count).items()}}


class Tensors(torch.nn.Module):
    """The model with only its named outputs."""

    def __init__(self, model, outputs):
        super().__init__()
        self.model, self.outputs = model, outputs

    def forward(self, pixel_values):
        found = self.model(pixel_values=pixel_values)
        return tuple(getattr(found, name) for name in self.outputs)


class Deploy(torch.nn.Module):
    """The deploy form that the authors of RT-DETR, D-FINE, DEIM and DEIMv2 export: top queries scaled to orig_target_sizes (width, height).

    Their postprocessor, rebuilt: sigmoid, top 300 over queries times classes, corners in pixels of the picture.
    """

    def __init__(self, model, top=300):
        super().__init__()
        self.model, self.top = model, top

    def forward(self, images, orig_target_sizes):
        found = self.model(pixel_values=images)
        logits, boxes = found.logits, found.pred_boxes
        cx, cy, w, h = boxes.unbind(-1)
        boxes = torch.stack([cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h], -1)
        boxes = boxes * orig_target_sizes.repeat(1, 2).unsqueeze(1)
        scores, index = torch.topk(torch.sigmoid(logits).flatten(1), min(self.top, logits.shape[1] * logits.shape[2]), dim=-1)
        classes = logits.shape[2]
        labels = index - index // classes * classes
        boxes = boxes.gather(dim=1, index=(index // classes).unsqueeze(-1).repeat(1, 1, 4))
        return labels, boxes, scores


def export(model, path, inputs, input_names, output_names, dynamo, opset=17, batch=False):
    axes = None
    if batch:
        axes = {name: {0: "batch_size"} for name in [*input_names, *output_names]}
    more = {"dynamo": True, "opset_version": 18, "external_data": False, "verbose": False} if dynamo else {"dynamo": False, "opset_version": opset}
    torch.onnx.export(model, inputs, str(path), input_names=input_names, output_names=output_names, dynamic_axes=axes, **more)


def resnet():
    return tf.ResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], layer_type="basic",
                           out_features=["stage4"])


def resnet3():
    return tf.ResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], layer_type="basic",
                           out_features=["stage2", "stage3", "stage4"])


def rt_resnet():
    return tf.RTDetrResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], layer_type="basic",
                                 out_features=["stage2", "stage3", "stage4"])


def hgnet():
    return tf.HGNetV2Config(stem_channels=[3, 16, 16], stage_in_channels=[16, 16, 32, 48], stage_mid_channels=[8, 8, 16, 16],
                            stage_out_channels=[16, 32, 48, 64], stage_num_blocks=[1, 1, 1, 1], stage_numb_of_layers=[2, 2, 2, 2],
                            stage_downsample=[False, True, True, True], stage_light_block=[False, False, True, True],
                            stage_kernel_size=[3, 3, 5, 5], hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], embedding_size=16,
                            out_features=["stage2", "stage3", "stage4"])


HYBRID = dict(encoder_hidden_dim=32, d_model=32, encoder_ffn_dim=64, decoder_ffn_dim=64, encoder_attention_heads=4, decoder_attention_heads=4,
              decoder_layers=2, decoder_in_channels=[32, 32, 32], num_denoising=0, hidden_expansion=0.5)
DETR = dict(d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=64, decoder_ffn_dim=64, encoder_attention_heads=4,
            decoder_attention_heads=4)


def rt_detr(count):
    config = tf.RTDetrConfig(backbone_config=rt_resnet(), encoder_in_channels=[24, 32, 48], **HYBRID, **labels(count))
    return tf.RTDetrForObjectDetection(config), tf.RTDetrImageProcessor(size={"height": SIZE, "width": SIZE})


def rt_detr_v2(count):
    config = tf.RTDetrV2Config(backbone_config=rt_resnet(), encoder_in_channels=[24, 32, 48], **HYBRID, **labels(count))
    return tf.RTDetrV2ForObjectDetection(config), tf.RTDetrImageProcessor(size={"height": SIZE, "width": SIZE})


def d_fine(count):
    config = tf.DFineConfig(backbone_config=hgnet(), encoder_in_channels=[32, 48, 64], depth_mult=0.34, **HYBRID, **labels(count))
    return tf.DFineForObjectDetection(config), tf.RTDetrImageProcessor(size={"height": SIZE, "width": SIZE})


def deimv2(count):
    config = tf.Deimv2Config(backbone_config=hgnet(), encoder_in_channels=[32, 48, 64], depth_mult=0.34, **HYBRID, **labels(count))
    return tf.Deimv2ForObjectDetection(config), tf.RTDetrImageProcessor(size={"height": SIZE, "width": SIZE})


def deimv2_dino(count):
    """With a DINOv3 backbone DEIMv2 normalises as ImageNet."""
    backbone = tf.DINOv3ViTConfig(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, image_size=SIZE,
                                  out_indices=[1, 2, 3], num_register_tokens=4)
    config = tf.Deimv2Config(backbone_config=backbone, encoder_in_channels=[32, 32, 32], depth_mult=0.34, **HYBRID, **labels(count))
    return tf.Deimv2ForObjectDetection(config), tf.RTDetrImageProcessor(size={"height": SIZE, "width": SIZE}, do_normalize=True)


def stretched(processor, size=SIZE):
    return processor(size={"height": size, "width": size}, do_pad=False)


def detr(count, queries=100):
    config = tf.DetrConfig(backbone_config=resnet(), num_queries=queries, **DETR, **labels(count))
    return tf.DetrForObjectDetection(config), stretched(tf.DetrImageProcessor)


def detr_300(count):
    return detr(count, 300)


def conditional_detr(count):
    config = tf.ConditionalDetrConfig(backbone_config=resnet(), num_queries=300, **DETR, **labels(count))
    return tf.ConditionalDetrForObjectDetection(config), stretched(tf.ConditionalDetrImageProcessor)


def deformable_detr(count):
    config = tf.DeformableDetrConfig(backbone_config=resnet3(), num_queries=300, disable_custom_kernels=True, **DETR, **labels(count))
    return tf.DeformableDetrForObjectDetection(config), stretched(tf.DeformableDetrImageProcessor)


def yolos(count):
    config = tf.YolosConfig(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, image_size=[SIZE, SIZE],
                            num_detection_tokens=100, **labels(count))
    return tf.YolosForObjectDetection(config), stretched(tf.YolosImageProcessor)


def rf_detr(count):
    backbone = tf.RfDetrDinov2Config(hidden_size=48, num_hidden_layers=4, num_attention_heads=4, image_size=LARGE, patch_size=16, num_windows=2,
                                     out_features=["stage2", "stage4"])
    config = tf.RfDetrConfig(backbone_config=backbone, d_model=32, decoder_ffn_dim=64, decoder_layers=2, decoder_self_attention_heads=4,
                             decoder_cross_attention_heads=4, group_detr=1, projector_scale_factors=[1.0], **labels(count))
    return tf.RfDetrForObjectDetection(config), stretched(tf.RfDetrImageProcessor, LARGE)


def lw_detr(count):
    backbone = tf.LwDetrViTConfig(hidden_size=48, num_hidden_layers=4, num_attention_heads=4, image_size=LARGE, pretrain_image_size=LARGE,
                                  num_windows=4, window_block_indices=[0, 2], out_indices=[2, 4])
    config = tf.LwDetrConfig(backbone_config=backbone, d_model=32, decoder_ffn_dim=64, decoder_layers=2, decoder_self_attention_heads=4,
                             decoder_cross_attention_heads=4, group_detr=1, projector_scale_factors=[1.0], **labels(count))
    return tf.LwDetrForObjectDetection(config), stretched(tf.DeformableDetrImageProcessor, LARGE)


def background(model):
    """Whether the last column is "no object"."""
    return isinstance(model, (tf.DetrForObjectDetection, tf.YolosForObjectDetection))


REFINING = (tf.RTDetrForObjectDetection, tf.RTDetrV2ForObjectDetection, tf.DFineForObjectDetection, tf.Deimv2ForObjectDetection,
            tf.RfDetrForObjectDetection, tf.LwDetrForObjectDetection)  # decoders that move the boxes of an encoder


def last(model, count):
    """The outermost layers: those of classes, and names and layers of boxes."""
    classes, boxes = [], []
    for name, layer in model.named_modules():
        if not isinstance(layer, torch.nn.Linear):
            continue
        if layer.out_features == count + background(model) and ("class" in name or "score" in name):
            classes.append(layer)
        elif layer.out_features == 4 and ("bbox" in name or "box" in name):
            boxes.append((name, layer))
    return classes, boxes


def pixels(processor, path):
    return processor(images=Image.open(path), return_tensors="pt")["pixel_values"]


def feed(processor, paths):
    return torch.cat([pixels(processor, path) for path in paths])


def judge(processor, path, paths):
    """What the image processor makes of the file's outputs."""
    session = kit.session(path)
    outputs = [o.name for o in session.get_outputs()]
    found = {}
    for picture in paths:
        image = Image.open(picture)
        values = session.run(None, {"pixel_values": pixels(processor, picture).numpy()})
        tensors = SimpleNamespace(**{name: torch.from_numpy(v) for name, v in zip(outputs, values)})
        result = processor.post_process_object_detection(tensors, threshold=CONF, target_sizes=[(image.height, image.width)])[0]
        found[picture] = kit.rows(result["boxes"], result["scores"], result["labels"])
    return found


def judge_deploy(processor, path, paths):
    session = kit.session(path)
    found = {}
    for picture in paths:
        image = Image.open(picture)
        sizes = torch.tensor([[image.width, image.height]])
        labels, boxes, scores = session.run(None, {"images": pixels(processor, picture).numpy(), "orig_target_sizes": sizes.numpy()})
        keep = scores[0] > CONF
        found[picture] = kit.rows(boxes[0][keep], scores[0][keep], labels[0][keep])
    return found


def ready(make, count, paths):
    torch.manual_seed(kit.SEED)
    model, processor = make(count)
    model.eval()
    values = feed(processor, paths)
    classes, boxes = last(model, count)
    calm = 2.0 if background(model) else 0.8  # more would make a score's last digits of a pixel's
    targets = {layer: (0.0, calm) for layer in classes}
    for name, layer in boxes:
        if not isinstance(model, REFINING):
            targets[layer] = [0.0, 0.0, -1.2, -1.2], [1.2, 1.2, 0.7, 0.7]
        elif "enc" in name:
            targets[layer] = [0.0, 0.0, 1.2, 1.2], [0.6, 0.6, 0.4, 0.4]
        else:
            targets[layer] = 0.0, 0.2
    alike = [layer for name, layer in model.named_modules() if name.endswith(("query_feat", "reference_point_embed"))]
    kit.liven(model, lambda: model(pixel_values=values), targets, alike=alike)
    with torch.no_grad():
        more = kit.shift(model(pixel_values=values).logits, background(model), CONF)
        for bias in {id(layer.bias): layer.bias for layer in classes}.values():
            if background(model):
                bias[-1] += more
            else:
                bias += more
    return model, processor


def detector(folder, pictures, name, make, count, dynamo=False, deploy=False, **more):
    size = more.pop("size", SIZE)
    paths = kit.pictures(pictures, (size, size))
    model, processor = ready(make, count, paths)
    path = folder / f"{name}.onnx"
    sample = feed(processor, paths[:1])
    if deploy:
        export(Deploy(model), path, (sample, torch.tensor([[size, size]])), ["images", "orig_target_sizes"], ["labels", "boxes", "scores"],
               dynamo, opset=16, batch=deploy == "batch")
        found = judge_deploy(processor, path, paths)
    else:
        export(Tensors(model, ["logits", "pred_boxes"]), path, (sample,), ["pixel_values"], ["logits", "pred_boxes"], dynamo, batch=more.pop("batch", False))
        found = judge(processor, path, paths)
    kit.save(folder, name, CONF, "detect", found, **more)


def classifier(folder, pictures, name, make, dynamo=False, **more):
    """found: the softmax of the logits, all classes, best first."""
    paths = kit.pictures(pictures, (SIZE, SIZE))
    torch.manual_seed(kit.SEED)
    model, processor = make(12)
    values = feed(processor, paths)
    head = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer.out_features == 12][-1]
    kit.liven(model, lambda: model(pixel_values=values), {head: (0.0, 2.0)})
    path = folder / f"{name}.onnx"
    export(Tensors(model, ["logits"]), path, (values[:1],), ["pixel_values"], ["logits"], dynamo)
    session = kit.session(path)
    found = {}
    for picture in paths:
        scores = torch.from_numpy(session.run(None, {"pixel_values": pixels(processor, picture).numpy()})[0])[0].softmax(-1)
        best = scores.argsort(descending=True)[:5].tolist()
        found[picture] = [{"conf": float(scores[i]), "cls": i} for i in best]
    kit.save(folder, name, CONF, "classify", found, **more)


def semantic(folder, pictures, name, make, dynamo=False, **more):
    """found: {"size": [width, height], "classes": the class of every pixel as runs [class, length...]} of the picture's own size."""
    paths = kit.pictures(pictures, (SIZE, SIZE))
    torch.manual_seed(kit.SEED)
    model, processor = make(4)
    values = feed(processor, paths)
    head = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d) and layer.out_channels == 4][-1]
    kit.liven(model, lambda: model(pixel_values=values), {head: (0.0, 2.0)})
    path = folder / f"{name}.onnx"
    export(Tensors(model, ["logits"]), path, (values[:1],), ["pixel_values"], ["logits"], dynamo)
    session = kit.session(path)
    found = {}
    for picture in paths:
        image = Image.open(picture)
        logits = torch.from_numpy(session.run(None, {"pixel_values": pixels(processor, picture).numpy()})[0])
        classes = processor.post_process_semantic_segmentation(SimpleNamespace(logits=logits), [(image.height, image.width)])[0]
        found[picture] = {"size": [image.width, image.height], "runs": runs(classes)}
    kit.save(folder, name, CONF, "semantic", found, **more)


def runs(classes):
    """Pairs of a class and how often it follows itself, row by row."""
    values, lengths = torch.unique_consecutive(classes.flatten(), return_counts=True)
    return torch.stack([values, lengths], 1).flatten().tolist()


def vit(count):
    config = tf.ViTConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, image_size=SIZE, **labels(count))
    return tf.ViTForImageClassification(config), tf.ViTImageProcessor(size={"height": SIZE, "width": SIZE})


def resnet_classifier(count):
    config = tf.ResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], layer_type="basic", **labels(count))
    return tf.ResNetForImageClassification(config), tf.ConvNextImageProcessor(size={"shortest_edge": SIZE}, crop_pct=0.875)


def segformer(count):
    config = tf.SegformerConfig(hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 4, 4], decoder_hidden_size=32,
                                **labels(count))
    return tf.SegformerForSemanticSegmentation(config), tf.SegformerImageProcessor(size={"height": SIZE, "width": SIZE})


def deeplab(count):
    config = tf.MobileViTConfig(image_size=SIZE, hidden_sizes=[16, 24, 32], neck_hidden_sizes=[8, 8, 16, 24, 32, 40, 64], num_attention_heads=4,
                                mlp_ratio=2.0, aspp_out_channels=32, **labels(count))
    processor = tf.MobileViTImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})
    return tf.MobileViTForSemanticSegmentation(config), processor


WORK = {
    "rt-detr-3": lambda *a: detector(*a, rt_detr, 3),
    "rt-detr-80": lambda *a: detector(*a, rt_detr, 80, batch=True),
    "rt-detr-3-dynamo": lambda *a: detector(*a, rt_detr, 3, dynamo=True),
    "rt-detr-v2-80": lambda *a: detector(*a, rt_detr_v2, 80),
    "d-fine-3": lambda *a: detector(*a, d_fine, 3),
    "d-fine-80": lambda *a: detector(*a, d_fine, 80),
    "detr-3-100q": lambda *a: detector(*a, detr, 3),
    "detr-91-100q": lambda *a: detector(*a, detr, 91),
    "detr-3-300q": lambda *a: detector(*a, detr_300, 3, may_refuse=True),
    "detr-91-100q-dynamo": lambda *a: detector(*a, detr, 91, dynamo=True),
    "yolos-3": lambda *a: detector(*a, yolos, 3),
    "yolos-91": lambda *a: detector(*a, yolos, 91),
    "yolos-91-dynamo": lambda *a: detector(*a, yolos, 91, dynamo=True),
    "conditional-detr-3": lambda *a: detector(*a, conditional_detr, 3),
    "conditional-detr-91": lambda *a: detector(*a, conditional_detr, 91),
    "conditional-detr-91-dynamo": lambda *a: detector(*a, conditional_detr, 91, dynamo=True),
    "deformable-detr-3": lambda *a: detector(*a, deformable_detr, 3, dynamo=True),
    "deformable-detr-91": lambda *a: detector(*a, deformable_detr, 91, dynamo=True),
    "deimv2-80": lambda *a: detector(*a, deimv2, 80),
    "deimv2-dino-80": lambda *a: detector(*a, deimv2_dino, 80),
    "rf-detr-91": lambda *a: detector(*a, rf_detr, 91, dynamo=True, size=LARGE),
    "lw-detr-91": lambda *a: detector(*a, lw_detr, 91, size=LARGE),
    "deploy-rt-detr-80": lambda *a: detector(*a, rt_detr, 80, deploy=True),
    "deploy-rt-detr-v2-3": lambda *a: detector(*a, rt_detr_v2, 3, deploy="batch"),
    "deploy-d-fine-80": lambda *a: detector(*a, d_fine, 80, deploy="batch"),
    "deploy-d-fine-1": lambda *a: detector(*a, d_fine, 1, deploy=True),
    "deploy-deimv2-80": lambda *a: detector(*a, deimv2, 80, deploy="batch"),
    "deploy-deimv2-dino-80": lambda *a: detector(*a, deimv2_dino, 80, deploy="batch"),
    "vit": lambda *a: classifier(*a, vit, options="--head classify"),
    "resnet": lambda *a: classifier(*a, resnet_classifier, options="--head classify"),
    "vit-dynamo": lambda *a: classifier(*a, vit, dynamo=True, options="--head classify"),
    "segformer": lambda *a: semantic(*a, segformer, options="--head semantic"),
    "mobilevit-deeplab": lambda *a: semantic(*a, deeplab, options="--head semantic"),
    "segformer-dynamo": lambda *a: semantic(*a, segformer, dynamo=True, options="--head semantic"),
}


if __name__ == "__main__":
    sys.exit(kit.main(WORK))
