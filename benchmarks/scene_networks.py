"""Networks of other people's kinds, trained on scenes: a one-stage detector and a small U-Net, as ONNX files.

They are what `lookalike adopt` is tried on, so nothing here knows Lookalike: plain torch, torch's own exporter, and
ONNX's NonMaxSuppression behind the detector, as such files come. Both are trained on a folder that sets/scenes.py wrote
(images, COCO boxes and masks), in seconds on drawn scenes and in minutes on the real ones.

The detector: a map of a sixteenth of the cells of the picture's pixels (stride 4), on it for each cell how much it is
the middle of an object, how far the object's four sides are away, and which identity it is (FCOS, Tian et al. 2019,
without levels). Its features are the map in front of these.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor, nn

from benchmarks.sets.scenes import annotations

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
STRIDE, CHANNELS = 4, 48
_NO_CLASS = -1
MOST, LEAST_SCORE, OVERLAP = 40, 0.4, 0.4


class Detector(nn.Module):
    """Pictures [N, 3, h, w] to the map [N, C, h/4, w/4], and of each cell how much it is a middle, sides and class."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _conv(3, 24, stride=2),
            _conv(24, CHANNELS, stride=2),
            _conv(CHANNELS, CHANNELS, dilation=2),
            _conv(CHANNELS, CHANNELS, dilation=4),
            _conv(CHANNELS, CHANNELS, dilation=8),
            _conv(CHANNELS, CHANNELS),
        )
        self.middle = nn.Conv2d(CHANNELS, 1, 1)
        self.sides = nn.Conv2d(CHANNELS, 4, 1)
        self.classes = nn.Conv2d(CHANNELS, num_classes, 1)
        nn.init.constant_(self.middle.bias, -3.0)  # most cells are no middle

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features = self.trunk(images)
        return features, self.middle(features), F.softplus(self.sides(features)) * STRIDE, self.classes(features)


class UNet(nn.Module):
    """Pictures [N, 3, h, w] to how much each pixel belongs to an object, [N, 1, h, w]; sides are multiples of 8."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        wide = [channels, 2 * channels, 4 * channels, 8 * channels]
        self.down = nn.ModuleList(_conv(before, after) for before, after in zip([3, *wide], wide, strict=False))
        self.up = nn.ModuleList(_conv(a + b, b) for a, b in zip(wide[:0:-1], wide[-2::-1], strict=True))
        self.last = nn.Conv2d(channels, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        kept, value = [], images
        for number, block in enumerate(self.down):
            value = block(F.max_pool2d(value, 2) if number else value)
            kept.append(value)
        self.bottleneck = value
        for block, beside in zip(self.up, kept[-2::-1], strict=True):
            value = block(torch.cat([F.interpolate(value, scale_factor=2.0), beside], 1))
        last: Tensor = self.last(value)
        return last


def train_detector(folder: Path, *, size: tuple[int, int], steps: int, seed: int = 0) -> Detector:
    """Train on a folder of scenes at (height, width) in pixels for so many steps of eight."""
    torch.manual_seed(seed)
    images, boxes, labels, _ = read_scenes(folder, size)
    targets = [_targets(each, names, size) for each, names in zip(boxes, labels, strict=True)]
    middles, sides, classes = (torch.stack([each[number] for each in targets]) for number in (0, 1, 2))
    network = Detector(int(classes.max()) + 1)

    def loss(rows: Tensor) -> Tensor:
        _, logits, found, named = network(images[rows])
        wanted, weight = middles[rows], (middles[rows] > 0.5).float()
        share = torch.sigmoid(logits)
        focal = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * (share - wanted).abs() ** 2
        off = ((found + 1).log() - (sides[rows] + 1).log()).abs() * weight
        wrong = F.cross_entropy(named, classes[rows], reduction="none", ignore_index=_NO_CLASS)
        return (focal.sum() + 0.5 * off.sum() + 0.5 * wrong.sum()) / weight.sum().clamp(min=1)

    _train(network, loss, len(images), steps)
    return network.eval()


def train_unet(folder: Path, *, size: tuple[int, int], steps: int, seed: int = 0) -> UNet:
    """Train on the masks of a folder of scenes."""
    torch.manual_seed(seed)
    images, _, _, masks = read_scenes(folder, size)
    network = UNet()

    def loss(rows: Tensor) -> Tensor:
        logits = network(images[rows])
        share, wanted = torch.sigmoid(logits), masks[rows]
        overlap = 2 * (share * wanted).sum() / (share.sum() + wanted.sum() + 1)
        return F.binary_cross_entropy_with_logits(logits, wanted) + 1 - overlap

    _train(network, loss, len(images), steps)
    return network.eval()


def read_scenes(folder: Path, size: tuple[int, int]) -> tuple[Tensor, list[np.ndarray], list[list[int]], Tensor]:
    """Pictures as the networks take them, [N, 3, h, w]; boxes x1, y1, x2, y2 in their pixels; classes; masks."""
    content = json.loads(annotations(folder).read_text())
    height, width = size
    of_image: dict[int, list[dict[str, Any]]] = {each["id"]: [] for each in content["images"]}
    for each in content["annotations"]:
        of_image[each["image_id"]].append(each)
    images, boxes, labels, masks = [], [], [], []
    for each in content["images"]:
        picture = Image.open(folder / "images" / each["file_name"]).convert("RGB")
        scale = np.array([width / each["width"], height / each["height"]] * 2)
        images.append(np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)))
        corners = [(x, y, x + w, y + h) for x, y, w, h in (one["bbox"] for one in of_image[each["id"]])]
        boxes.append(np.array(corners, np.float64).reshape(-1, 4) * scale)
        labels.append([one["category_id"] for one in of_image[each["id"]]])
        inside = np.zeros((each["height"], each["width"]), bool)
        for one in of_image[each["id"]]:
            inside |= _inside(one["segmentation"])
        shown = Image.fromarray(inside.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BILINEAR)
        masks.append(np.asarray(shown, np.float32)[None] / 255)
    return normalised(np.stack(images)), boxes, labels, torch.from_numpy(np.stack(masks))


def normalised(pixels: np.ndarray) -> Tensor:
    """uint8 [N, h, w, 3] as the networks take it."""
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STD))
    return ((planes - mean) / std).contiguous()


def export_unet(network: UNet, path: Path, *, size: tuple[int, int], dynamic: bool = False) -> Path:
    """One picture a run, as old exporters leave it, or any number; the bottleneck is named `bottleneck`."""
    _export(network, path, size=size, outputs=["mask"], dynamic=dynamic)
    model = onnx.load(path)
    up = next(node for node in model.graph.node if node.op_type in ("Resize", "Upsample"))
    found = up.input[0]
    for node in model.graph.node:
        for side in (node.input, node.output):
            for place, name in enumerate(side):
                side[place] = "bottleneck" if name == found else name
    path.write_bytes(model.SerializeToString())
    return path


def export_detector(network: Detector, path: Path, *, size: tuple[int, int]) -> Path:
    """The network of one picture with NonMaxSuppression behind it: boxes [D, 4] in pixels, scores [D], features [D, C].

    Besides: `map` [1, C, h/4, w/4]. D is what is found in the picture.
    """
    _export(network, path, size=size, outputs=["map", "middle", "sides", "classes"])
    model = onnx.load(path)
    graph = model.graph
    height, width = size[0] // STRIDE, size[1] // STRIDE
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    centres = (np.stack([columns, rows], -1).reshape(1, -1, 2).astype(np.float32) + 0.5) * STRIDE
    constants = {
        "centres": centres,
        "flat4": np.array([1, 4, -1], np.int64),
        "flat1": np.array([1, 1, -1], np.int64),
        "flatc": np.array([CHANNELS, -1], np.int64),
        "most": np.array([MOST], np.int64),
        "overlap": np.array([OVERLAP], np.float32),
        "least": np.array([LEAST_SCORE], np.float32),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
        "three": np.array([3], np.int64),
        "four": np.array([4], np.int64),
        "numbers": np.array([-1], np.int64),
    }
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Reshape", ["sides", "flat4"], "sides_flat", {}),
        ("Transpose", ["sides_flat"], "sides_last", {"perm": [0, 2, 1]}),
        ("Slice", ["sides_last", "zero", "two", "two"], "before", {}),
        ("Slice", ["sides_last", "two", "four", "two"], "behind", {}),
        ("Sub", ["centres", "before"], "corner1", {}),
        ("Add", ["centres", "behind"], "corner2", {}),
        ("Concat", ["corner1", "corner2"], "all_boxes", {"axis": 2}),
        ("Sigmoid", ["middle"], "share", {}),
        ("Reshape", ["share", "flat1"], "all_scores", {}),
        ("NonMaxSuppression", ["all_boxes", "all_scores", "most", "overlap", "least"], "kept", {}),
        ("Slice", ["kept", "two", "three", "one"], "kept_last", {}),
        ("Reshape", ["kept_last", "numbers"], "places", {}),
        ("Squeeze", ["all_boxes", "zero"], "boxes_flat", {}),
        ("Gather", ["boxes_flat", "places"], "boxes", {"axis": 0}),
        ("Reshape", ["all_scores", "numbers"], "scores_flat", {}),
        ("Gather", ["scores_flat", "places"], "scores", {"axis": 0}),
        ("Reshape", ["map", "flatc"], "map_flat", {}),
        ("Gather", ["map_flat", "places"], "features_first", {"axis": 1}),
        ("Transpose", ["features_first"], "features", {"perm": [1, 0]}),
    ]
    graph.node.extend(helper.make_node(op, inputs, [output], **more) for op, inputs, output, more in steps)
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    del graph.output[:]
    shapes: dict[str, list[object]] = {
        "boxes": ["D", 4],
        "scores": ["D"],
        "features": ["D", CHANNELS],
        "map": [1, CHANNELS, height, width],
    }
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _conv(before: int, after: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, stride, dilation, dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())


def _train(network: nn.Module, loss: Any, num_images: int, steps: int, batch: int = 8) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), 4e-3, weight_decay=1e-4)
    network.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * (1 - step / steps)
        value = loss(torch.randint(num_images, (batch,)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()


def _targets(boxes: np.ndarray, labels: list[int], size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Of each cell: 1 in an object's middle, and the sides and the class of the smallest object there."""
    height, width = size[0] // STRIDE, size[1] // STRIDE
    y, x = ((np.arange(each) + 0.5) * STRIDE for each in (height, width))
    middle, sides = np.zeros((1, height, width), np.float32), np.zeros((4, height, width), np.float32)
    classes = np.full((height, width), _NO_CLASS, np.int64)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    for place in np.argsort(-areas, kind="stable").tolist():
        x1, y1, x2, y2 = boxes[place].tolist()
        off_y = np.abs(y - (y1 + y2) / 2) / max((y2 - y1) / 2, 1e-6)
        off_x = np.abs(x - (x1 + x2) / 2) / max((x2 - x1) / 2, 1e-6)
        near = np.maximum(off_y[:, None], off_x[None]) < 0.35
        if not near.any():  # smaller than a cell: the one that it lies in
            near[np.argmin(off_y), np.argmin(off_x)] = True
        middle[0][near] = 1
        classes[near] = labels[place]
        found = np.stack(np.broadcast_arrays(x[None] - x1, y[:, None] - y1, x2 - x[None], y2 - y[:, None]))
        sides[:, near] = found[:, near]
    return torch.from_numpy(middle), torch.from_numpy(np.maximum(sides, 0)), torch.from_numpy(classes)


def _inside(segmentation: Any) -> np.ndarray:
    height, width = segmentation["size"]
    counts = segmentation["counts"]
    values = np.arange(len(counts)) % 2
    return np.repeat(values, counts).reshape(width, height).T.astype(bool)


def _export(
    network: nn.Module, path: Path, *, size: tuple[int, int], outputs: list[str], dynamic: bool = False
) -> Path:
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.eval(),
                (torch.zeros(1, 3, *size),),
                str(path),
                input_names=["image"],
                output_names=outputs,
                opset_version=17,
                dynamo=False,
                dynamic_axes={name: {0: "N"} for name in ["image", *outputs]} if dynamic else None,
            )
    finally:
        logging.disable(level)
    return path
