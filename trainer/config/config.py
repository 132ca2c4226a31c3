"""The configuration of a training run: typed, frozen, saved whole as config.yaml beside the checkpoint.

Decision a reader would question: defaults that depend on other options (loss, margins, size, P and K) are None while
the user writes the configuration and are resolved once, before training (trainer/config/resolution.py), so the saved
file holds every number that was used.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ModelWrapValidatorHandler, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from artifact.errors import UsageError
from artifact.images.limits import DEFAULT_MAX_IMAGE_MB, DEFAULT_MAX_MEGAPIXELS, MAX_LIMIT, Limits
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from artifact.losses import Loss
from trainer.config.complaints import complaint, setting_keys
from trainer.config.settings import (
    AugmentConfig,
    FreezeConfig,
    LoopConfig,
    OptimizerConfig,
    ProgressiveConfig,
    RegionsConfig,
    SamplingConfig,
    Settings,
    TowersConfig,
)

MAX_DIM = 4096
MAX_SIZE_PX = 4096
UNTRAINED_KIND = "triplet"
"""Of a run without a step, where no kind was named."""
MAX_EPOCHS = 100_000
MAX_MINUTES = 100_000


class TrainConfig(Settings):
    """The configuration of a run: everything that decides it.

    Attributes:
        images: folder with one folder of images per class, or a table (CSV, JSON lines, Parquet) of images with their
            classes, or of tuples with one column per stream; may be left out where nothing is fitted (`epochs` 0,
            `head` `none`).
        kind: `siamese`, `triplet` or `quartet`; may be left out where `epochs` is 0, and is then `triplet`.
        columns: {role: column of the table}; roles are `image` and `label`, or the kind's streams and for siamese
            tables `different` or `same`. A role that is left out is looked for under its own name.
        attributes: columns of the table with what is known of each image; then an attribute tower is trained beside the
            image tower, in one space with it.
        negatives: of two towers, the rows of attributes that an image is told from: `other`, those of the other images
            of a batch; `flipped:K`, also its own with K attributes changed; `mined`, of the others the nearest.
        flipped_share: of the rows of attributes in a batch, those with attributes changed.
        catalogue: table of images, whose rows are what the cells of a table of tuples name; None: they are the images.
        catalogue_path: its image column; None: `image`, `path`, `file`, `filename` or `file_name`.
        catalogue_id: its column of what the cells say; None: these are row numbers from 0, or paths as it has them.
        base: `conv4`, a timm name, the user's own `module:function`, or `deep_ranking`, with one of these behind a
            colon; None: `conv4`, and with `pretrained` `tf_efficientnet_lite0`.
        cut: number of stages of the base network that are kept, from the input; or a layer by its name or number
            (`layer2.0.bn1`, `@17`) as `lookalike layers` lists them, behind which it ends; None: all.
        pooling: how the last feature map becomes features: `avg`, `max`, `gem` or `flatten`; None: as the network does,
            but a last map of convolutions of at most 4 x 4 is flattened where weights are random.
        dim: neurons of the embedding layer; with `head` `none` there is none, and it is the number of features.
        size: side of the square input in pixels; None: from random weights that of the images, up to what the base
            network was made for; else what it was made for.
        fit: how an image that is not square becomes so: `stretch`, `crop` or `pad`.
        epochs: passes over the training images; 0: no step is made, only the head is fitted. None: what `minutes` or
            `steps` come to, else 20, or where these are less than 1,500 steps as many more as that takes, up to 200;
            with `progressive` as many more as look at the same pixels.
        minutes: time for the whole command, from reading to the report; the steps that fit into it are found by trial
            before the first of them, and `steps` holds their number.
        steps: batches that are trained on; the last epoch ends with the last of them. None: whole epochs.
        loss: one of ours by name (artifact/losses), or the user's own `module:function`; None: the kind's, and where a
            margin is given the one that the kind's users mean it of.
        distance: one of ours by name (artifact/distances); everything downstream uses it.
        normalize: put every vector on the unit sphere; None: as suits the loss, and not where the margin is larger than
            any distance there.
        margin: in units of the distance; None: the loss's default for that distance and normalisation.
        margin2: the quadruplet loss's second margin; None: half of `margin`.
        cap: the largest value of `triplet_capped`; None: `margin` and half of the largest distance, or twice `margin`.
        mining: a miner by name, that is, which tuples of a batch count; None: the loss's.
        validation: `images:SHARE`, `classes:SHARE`, with attributes `combinations:SHARE`, a folder of class folders, a
            table, or `none`: then there is no threshold. None: `images:0.1`, or where most classes have fewer than four
            images as many whole classes as the figures take.
        pretrained: start from the base network's published weights: an installed package's, else timm's hub.
        weights: start from a local .safetensors, or .pt of plain tensors.
        head: the embedding layer after training: `trained`, `lda` or `pca` (set by a formula from features of the
            training images, trainer/head), or `auto`: lda where it is better on training classes set aside for that;
            with `epochs` 0 also `none`: features as they are, which is what is done without images.
        head_classes: training classes that are set aside from training to choose the head on, with `auto` and `lda`;
            0: none. None: a tenth of them, 8 to 60, where there are 40 or more.
        first_head: the embedding layer before training: `random`, or `lda` of the features that the network has then.
            None: `lda` for networks of timm with trained weights, eight classes or more and `head` `auto` or `lda`,
            where `freeze.epochs` is left open too; else `random`.
        seed: decides split, weights, batches and augmentation.
        max_megapixels: larger images, by width x height in millions, are unreadable ones.
        max_image_mb: larger files are unreadable images; a megabyte is 2**20 bytes.
        read_timeout_s: deadline of reading one image from elsewhere (http, s3 and so on), in seconds, tries included;
            inf: none. Missing it makes an unreadable image.
        max_bad_images: so many unreadable images are left out at most; one more stops the run. None: as many as there
            are, each counted and the first of them named.
        split_folders: stop where the class folders are splits (train, val, test) of one data set; false: they are
            classes that are called so.
        max_cache_mb: decoded pixels kept in memory.
        max_disk_mb: decoded pixels kept on disk between runs, memory-mapped; 0: none.
        cache: folder of those pixels; None: the user's cache folder.
        workers: threads that read and decode; None: one per core, up to 16.
    """

    images: Path | None = None
    kind: str
    columns: dict[str, str] = Field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    negatives: str | None = None
    flipped_share: float | None = Field(default=None, gt=0, lt=1)
    catalogue: Path | None = None
    catalogue_path: str | None = None
    catalogue_id: str | None = None
    base: str | None = None
    cut: int | str | None = None
    pooling: Literal["avg", "max", "gem", "flatten"] | None = None
    dim: int = Field(default=128, ge=1, le=MAX_DIM)
    size: int | None = Field(default=None, ge=8, le=MAX_SIZE_PX)
    fit: str = "stretch"
    epochs: int | None = Field(default=None, ge=0, le=MAX_EPOCHS)
    minutes: float | None = Field(default=None, gt=0, le=MAX_MINUTES)
    steps: int | None = Field(default=None, ge=1)
    loss: str | None = None
    distance: str = "euclidean"
    normalize: bool | None = None
    margin: float | None = None
    margin2: float | None = None
    cap: float | None = None
    mining: str | None = None
    validation: str | None = None
    pretrained: bool = False
    weights: Path | None = None
    head: Literal["trained", "lda", "pca", "auto", "none"] = "auto"
    head_classes: int | None = Field(default=None, ge=0)
    first_head: Literal["random", "lda"] | None = None
    seed: int = Field(default=0, ge=0, lt=2**32)
    max_megapixels: float = Field(default=DEFAULT_MAX_MEGAPIXELS, gt=0, le=MAX_LIMIT)
    max_image_mb: float = Field(default=DEFAULT_MAX_IMAGE_MB, gt=0, le=MAX_LIMIT)
    read_timeout_s: float = Field(default=DEFAULT_READ_TIMEOUT_S, gt=0, allow_inf_nan=True)
    max_bad_images: int | None = Field(default=None, ge=0)
    split_folders: bool = True
    max_cache_mb: int = Field(default=1024, ge=0)
    max_disk_mb: int = Field(default=8192, ge=0)
    cache: Path | None = None
    workers: int | None = Field(default=None, ge=1, le=256)
    sampling: SamplingConfig = SamplingConfig()
    towers: TowersConfig = TowersConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    freeze: FreezeConfig = FreezeConfig()
    augment: AugmentConfig = AugmentConfig()
    regions: RegionsConfig = RegionsConfig()
    progressive: ProgressiveConfig = ProgressiveConfig()
    loop: LoopConfig = LoopConfig()

    @model_validator(mode="before")
    @classmethod
    def _without_training(cls, values: Any) -> Any:
        """Where nothing is trained, the kind says no more than which streams a full model takes; without images nothing
        is fitted either."""
        if not isinstance(values, Mapping) or values.get("epochs") != 0:
            return values
        kind = {} if values.get("kind") is not None else {"kind": UNTRAINED_KIND}
        head = {"head": "none"} if values.get("images") is None and values.get("head") is None else {}
        return {**values, **kind, **head}

    @model_validator(mode="wrap")
    @classmethod
    def _dim_of_features(cls, values: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """The bound of `dim` is the embedding layer's; of a run without one it is what its network gives."""
        many = values.get("dim") if isinstance(values, Mapping) and values.get("head") == "none" else None
        if not isinstance(many, int) or many <= MAX_DIM:
            return read(values)
        config = read({key: value for key, value in values.items() if key != "dim"})
        return config.model_copy(update={"dim": many})

    @field_validator("cut", mode="before")
    @classmethod
    def _stages_or_layer(cls, value: Any) -> Any:
        """Digits are a number of stages, wherever they were written."""
        digits = isinstance(value, str) and value.isascii() and value.isdigit()
        cut = int(value) if digits else value
        if isinstance(cut, bool) or not isinstance(cut, int | str | None) or cut == "":
            raise PydanticCustomError("cut_type", "a number of stages, or a layer by its name or number")
        if isinstance(cut, int) and cut < 1:
            raise PydanticCustomError("greater_than_equal", "at least 1", {"ge": 1})
        return cut

    @property
    def is_trained(self) -> bool:
        """Whether the weights move at all: False where `epochs` is 0."""
        return self.epochs != 0

    @property
    def has_towers(self) -> bool:
        """Whether an attribute tower is trained beside the image tower."""
        return bool(self.attributes)

    @property
    def network(self) -> str:
        """Name of the base network of a configuration whose first step is done."""
        assert self.base is not None, "settings are resolved before a network is built"
        return self.base

    def margins_of(self, loss: Loss) -> dict[str, float]:
        """The margins that the loss takes, by name, of a resolved configuration."""
        return loss.margins(margin=self.margin or 0.0, margin2=self.margin2 or 0.0, cap=self.cap or math.inf)

    @property
    def limits(self) -> Limits:
        """What images are refused for before they are decoded."""
        return Limits.of(max_megapixels=self.max_megapixels, max_image_mb=self.max_image_mb)


def make_config(values: Mapping[str, Any]) -> TrainConfig:
    """Build a configuration from plain values; what pydantic refuses becomes one UsageError of one line."""
    try:
        return TrainConfig.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError("; ".join(complaint(dict(item), TrainConfig) for item in error.errors())) from None


def to_yaml(config: TrainConfig) -> str:
    """The whole configuration as YAML, in the order of the attributes."""
    text: str = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    return text


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Apply `--set a.b=v` to plain values.

    Args:
        values: as for `make_config`; nested groups as mappings.
        overrides: each `key=value` or `group.key=value`; the value is read as YAML (0.001, true, null, text).

    Returns:
        A new dict; `values` is left alone.

    Raises:
        UsageError: no `=`, or a key that does not exist, with the nearest one that does.
    """
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    keys = setting_keys(TrainConfig)
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        if not equals:
            raise UsageError("--set", expected="KEY=VALUE", got=repr(override))
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1, cutoff=0.0)
            raise UsageError("--set", expected="a known setting", got=repr(key), mend=f"nearest: {near[0]}")
        *groups, name = key.split(".")
        target = result.setdefault(groups[0], {}) if groups else result
        try:
            target[name] = _number(yaml.safe_load(text))
        except yaml.YAMLError:
            raise UsageError("--set", expected="a value of YAML", got=repr(override)) from None
    return result


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 as text; people mean the number."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    return value
