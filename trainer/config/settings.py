"""The groups of a configuration: typed, frozen, each setting named `group.setting` on the command line and in files.

Decision a reader would question: defaults that depend on the data or on other settings are None here and are resolved
once, before training, so the saved file holds every number that was used.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rows.formats.reading import Reading
from rows.regions import RegionOptions

BALANCED: Literal["balanced"] = "balanced"
ROUNDS: Literal["rounds"] = "rounds"
TUPLES: Literal["tuples"] = "tuples"
"""What `sampling.strategy` takes."""


class Settings(BaseModel):
    """Base of every group and of the whole configuration: frozen, no unknown names, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class SamplingConfig(Settings):
    """Settings of a batch.

    Attributes:
        strategy: `balanced` (P classes with K images each, mined into tuples), `rounds` (tuples drawn at random, as
            DLPy does, and kept for some epochs), or `tuples` (the rows of a table whose columns are the streams).
            None: `tuples` for such a table, else `balanced`.
        classes_per_batch: P; None: as many as there are, up to 25.
        images_per_class: K; None: about 100 images a batch, at least 4 of each class.
        batches_per_epoch: None: as many as deal every image (or every tuple) once.
        tuples_per_batch: of `rounds` and `tuples`.
        tuples_per_round: of `rounds`; DLPy's n_samples.
        epochs_per_round: of `rounds`; DLPy's max_epochs. Its max_iter is epochs / epochs_per_round.
    """

    strategy: Literal["balanced", "rounds", "tuples"] | None = None
    classes_per_batch: int | None = Field(default=None, ge=2, le=4096)
    images_per_class: int | None = Field(default=None, ge=2, le=4096)
    batches_per_epoch: int | None = Field(default=None, ge=1)
    tuples_per_batch: int = Field(default=32, ge=1, le=65_536)
    tuples_per_round: int = Field(default=512, ge=1)
    epochs_per_round: int = Field(default=1, ge=1)


class TowersConfig(Settings):
    """Settings of a run with an attribute tower beside the image tower; they mean nothing in another.

    Attributes:
        width: neurons of each of the attribute tower's two hidden layers.
        images_per_batch: images of a batch, each with its row of attributes.
        temperature: of the softmax loss, in units of the distance; None: a twentieth of the largest distance.
        partial_share: of the images' rows in a batch, those that tell only some of their attributes, as people ask.
        both_ways: rows of attributes are anchors too, and images their positives and negatives.
    """

    width: int = Field(default=256, ge=1, le=65_536)
    images_per_batch: int = Field(default=128, ge=2, le=65_536)
    temperature: float | None = Field(default=None, gt=0)
    partial_share: float = Field(default=0.5, ge=0, le=1)
    both_ways: bool = True


class OptimizerConfig(Settings):
    """Settings of the optimizer: how the weights move.

    Attributes:
        name: `adamw`, or `sgd` with Nesterov momentum 0.9.
        learning_rate: peak, after the warm-up; None: as suits the base network, its weights and the optimizer.
        base_rate: the base network's rate as a multiple of `learning_rate`, which is the embedding layer's; None: 0.1
            for networks of timm with trained weights, else 1.
        stage_decay: each stage of the base network has this share of the rate of the stage above it.
        weight_decay: decoupled with adamw; biases and normalisation layers are exempt.
        schedule: `cosine` to zero over the run, `step` (times `step_factor` after each of `step_shares` of the run),
            or `constant`; all after the warm-up.
        step_shares: where the rate of `step` falls, as shares of the whole run.
        step_factor: what it is multiplied by there.
        warmup_share: share of all steps in which the rate rises linearly.
        clip_norm: longest gradient, as a vector of all parameters; None: as it is.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float | None = Field(default=None, gt=0, le=100)
    base_rate: float | None = Field(default=None, gt=0, le=1000)
    stage_decay: float = Field(default=1.0, gt=0, le=1)
    weight_decay: float = Field(default=1e-4, ge=0, le=100)
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    step_shares: tuple[float, ...] = (0.5, 0.75)
    step_factor: float = Field(default=0.1, gt=0, le=1)
    warmup_share: float = Field(default=0.05, ge=0, le=1)
    clip_norm: float | None = Field(default=None, gt=0)

    @property
    def peak(self) -> float:
        """The learning rate of a resolved configuration."""
        assert self.learning_rate is not None, "settings are resolved before training"
        return self.learning_rate


class FreezeConfig(Settings):
    """Settings of the base network's freezing: how long its weights stand still.

    Attributes:
        epochs: epochs from the first in which only the embedding layer trains; as many as there are, or more: always.
            None: the number nearest to 100 steps, but never all epochs, for networks of timm with trained weights,
            else 0.
        unfreeze_every: after that, one more stage from the top is set free every so many epochs; 0: all at once.
        statistics: batch normalisation of the base network keeps the statistics that it started with, in whatever
            trains; None: so for networks of timm with trained weights, else not.
    """

    epochs: int | None = Field(default=None, ge=0)
    unfreeze_every: int = Field(default=0, ge=0)
    statistics: bool | None = None


class AugmentConfig(Settings):
    """Random changes of training images, whole batches at once; zeros and false switch each of them off.

    Where none of them is asked for by name, images of a run that begins with smaller ones change more
    (trainer/config/progressive.py, STRONG).

    Attributes:
        rotate_deg: up to this many degrees either way.
        translate: up to this share of the side, either way.
        scale: 0.1 is between 1/1.1 and 1.1 times as large.
        aspect: 0.1 is up to 1.1 times as wide as high, or as high as wide.
        shear_deg: up to this many degrees either way, along both axes.
        crop: smallest share of the area that a random crop keeps, enlarged to the whole; 1: no crop.
        elastic: displacements, up to this share of the shorter side, at 4 x 4 nodes; beyond 0.1 the image folds.
        thickness: share of the images whose strokes are made thicker or thinner; for drawings.
        flip: mirror half of the images left to right.
        brightness, contrast, saturation: 0.2 is between 1/1.2 and 1.2 times as much.
        hue: up to this share of the colour circle either way, at most 0.5.
        grayscale, blur, erase: shares of the images that lose their colour, are blurred, get a rectangle erased.
        turns: images turned by 90, 180 and 270 degrees are classes of their own (four times as many classes).
        mirrors: mirror images are classes of their own (twice as many).
    """

    rotate_deg: float = Field(default=10.0, ge=0, le=180)
    translate: float = Field(default=0.08, ge=0, le=0.5)
    scale: float = Field(default=0.1, ge=0, le=4)
    aspect: float = Field(default=0.0, ge=0, le=4)
    shear_deg: float = Field(default=0.0, ge=0, le=60)
    crop: float = Field(default=1.0, gt=0, le=1)
    elastic: float = Field(default=0.0, ge=0, le=0.5)
    thickness: float = Field(default=0.0, ge=0, le=1)
    flip: bool = False
    brightness: float = Field(default=0.0, ge=0, le=4)
    contrast: float = Field(default=0.0, ge=0, le=4)
    saturation: float = Field(default=0.0, ge=0, le=4)
    hue: float = Field(default=0.0, ge=0, le=0.5)
    grayscale: float = Field(default=0.0, ge=0, le=1)
    blur: float = Field(default=0.0, ge=0, le=1)
    erase: float = Field(default=0.0, ge=0, le=1)
    turns: bool = False
    mirrors: bool = False

    @property
    def changes_pixels(self) -> bool:
        """Whether an image looks different each time; turns and mirrors make classes, they change nothing at random."""
        quiet = AugmentConfig(rotate_deg=0, translate=0, scale=0, turns=self.turns, mirrors=self.mirrors)
        return self != quiet


class RegionsConfig(Settings):
    """Settings of tables whose images are objects: COCO and YOLO data sets, and columns of boxes.

    Attributes:
        by: `crop`: every object is an image, cut out of its picture; None: the images are whole.
        padding: of the surroundings, as a share of the object's larger side.
        edge: what a crop takes beyond the picture: `clip` leaves it out, `fill` fills it.
        background: what is outside an object's mask: `fill` it with the mean colour, or `keep` it.
        boxes: columns of boxes, with commas; None: those of the format, or found by their names.
        box_format: `xywh`, `xyxy` or `cxcywh`; None: as the names of the columns say it.
        box_unit: `px`, or `share` of the picture; None: pixels.
        format: of the table: `coco` or `yolo`; None: by what it is.
        images: folder of a COCO file's images; None: looked for beside it.
    """

    by: Literal["crop"] | None = None
    padding: float = Field(default=0.0, ge=0, le=1)
    edge: Literal["clip", "fill"] = "clip"
    background: Literal["fill", "keep"] = "fill"
    boxes: str | None = None
    box_format: Literal["xywh", "xyxy", "cxcywh"] | None = None
    box_unit: Literal["px", "share"] | None = None
    format: Literal["coco", "yolo"] | None = None
    images: str | None = None

    @property
    def options(self) -> RegionOptions | None:
        """How regions are cut out; None where images are whole."""
        if self.by is None:
            return None
        return RegionOptions(
            columns=None if self.boxes is None else tuple(self.boxes.split(",")),
            format=self.box_format,
            unit=self.box_unit,
            padding=self.padding,
            edge=self.edge,
            background=self.background,
        )

    @property
    def reading(self) -> Reading:
        """How the table is read."""
        return Reading(format=self.format, images=self.images, objects=self.by is not None)


class ProgressiveConfig(Settings):
    """Settings of progressive resizing: smaller images first, of which the same time takes more.

    Attributes:
        size: side in pixels of the images that come first; None: five eighths of the input's. It holds nothing where
            `share` is 0.
        share: of the pixels that the run looks at, and so about of its time, in smaller images; 0: all images have the
            input's size. None: 0.6 for convolutions from random weights at 48 px and above, else 0.
    """

    size: int | None = Field(default=None, ge=8)
    share: float | None = Field(default=None, ge=0, lt=1)


class LoopConfig(Settings):
    """Settings of the loop; nothing here changes what is learned from, only how and how long.

    Attributes:
        precision: `fp32`, `bf16` or `fp16` (autocast: weights stay float32), or `auto`: bf16 where the device
            multiplies it natively, else fp32.
        compile: torch.compile the branch; pays on GPUs and long runs.
        accumulate: batches whose gradients are averaged before each update.
        average: decay of an exponential moving average of the weights, which is then what is validated and kept;
            None: the weights themselves.
        keep: `last` or `best` checkpoint, the best by `metric` on the held-out images; None: `best` with `patience`,
            else `last`.
        metric: `recall@1` or `mAP@R`; for tables of tuples `held_out_pct_correct`, of two towers
            `attribute_mAP`, `attribute_P@10`, `pct_correct_easy` or `pct_correct_hard`. None: the first measured.
        patience: stop after so many epochs without a better `metric`; None: never.
        validate_every: epochs between two looks at the held-out images; the last epoch always has one. None: a 20th of
            the run, and with `patience` no more than a fifth of that.
        save_every_s: seconds between two states from which a run cut off can continue; an interruption writes one, and
            so does the end of the last epoch.
        max_collapsed_steps: stop after so many steps in a row with all vectors at one point (a mean distance below 1 %
            of the margin, and the loss of equal vectors); 0: never.
        tensorboard: write events for TensorBoard into the run folder.
        device: `auto`, `cpu` or `cuda`.
    """

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: bool = False
    accumulate: int = Field(default=1, ge=1, le=4096)
    average: float | None = Field(default=None, gt=0, lt=1)
    keep: Literal["last", "best"] | None = None
    metric: (
        Literal[
            "recall@1",
            "mAP@R",
            "held_out_pct_correct",
            "attribute_mAP",
            "attribute_P@10",
            "pct_correct_easy",
            "pct_correct_hard",
        ]
        | None
    ) = None
    patience: int | None = Field(default=None, ge=1)
    validate_every: int | None = Field(default=None, ge=1)
    save_every_s: float = Field(default=300.0, gt=0)
    max_collapsed_steps: int = Field(default=200, ge=0)
    tensorboard: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
