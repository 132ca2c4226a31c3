"""Base networks: any image network of timm with its output layer removed, our own Conv4, a user's own, deep ranking.

A new source is a subclass of SourceNetwork, a Source and one line in SOURCES. The order is always the same: the whole
network, published or local weights into it, then the cut, then the pooling.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from artifact.attributes import Attributes
from artifact.errors import UsageError
from artifact.images.preprocessing import Preprocessing
from trainer.config.config import TrainConfig
from trainer.config.head import NONE
from trainer.config.rates import Family
from trainer.networks.branch import Branch, FeatureBranch
from trainer.networks.conv4 import CONV4
from trainer.networks.deep_ranking import deep_ranking_source
from trainer.networks.layer_cut import cut_behind
from trainer.networks.layers import keep_names
from trainer.networks.pixels_network import PIXELS
from trainer.networks.pooling import POOLINGS, Pooled, bind_flattening
from trainer.networks.source_network import Source, SourceNetwork, Start, Triple, UnknownNameError
from trainer.networks.stages import Stages, find_stages, last_stage, run_once
from trainer.networks.timm_networks import TIMM
from trainer.networks.user_networks import USER
from trainer.networks.weights_file import load_weights
from trainer.towers.towers import make_towers
from trainer.user_code import is_user_code

MANY_FEATURES = 65_536
"""More than so many features make an embedding layer larger than most base networks."""


@dataclass(frozen=True, kw_only=True)
class BaseNetwork:
    """A network that turns images into features, and what the run must know of it.

    Attributes:
        name: as given by the user.
        module: float32 [N, 3, size, size], normalised by mean and std -> float32 [N, num_features].
        num_features: width of its output.
        size: side of its input in pixels.
        mean, std: per channel, in units of [0, 1].
        own_pixels: whether these are those of the weights alone; then they stand in the facts.
        source: `timm VERSION`, `lookalike` or the user's `module:function`.
        weights: where the first weights came from: `random`, `timm/NAME.TAG`, `package NAME VERSION` or `file NAME`;
            `none` where there are none.
        pretrained: whether these are weights that are published for it.
        licence: of those weights, where known.
        stages: what is set free, and gets its learning rate, one by one.
        cut: number of stages that were kept, or the layer behind which it was cut; None: the whole network.
        pooling: a name in POOLINGS, or None: the network's own.
        family, trained: what the rates of a fresh network go by; from weights that were trained, or random ones.
        is_among_new: whether it has new parts beside it, which no weights are loaded into.
        notes: what the user should hear before training, one line each.
    """

    name: str
    module: nn.Module
    num_features: int
    size: int
    mean: Triple
    std: Triple
    own_pixels: bool = False
    source: str
    weights: str
    pretrained: bool = False
    licence: str | None
    stages: Stages
    cut: int | str | None = None
    pooling: str | None = None
    family: Family = "own"
    trained: bool = False
    is_among_new: bool = False
    notes: tuple[str, ...] = ()

    def takes(self, side: int) -> bool:
        """Whether it gives as many features of images of this side in pixels, which is not its own."""
        try:
            features = run_once(self.module, torch.zeros(1, 3, side, side))
        except Exception:  # 1,300 networks raise anything
            return False
        return tuple(features.shape) == (1, self.num_features)

    @property
    def untrained_notes(self) -> tuple[str, ...]:
        """What the user should hear where nothing is trained; a user's own network may have weights of its own."""
        if self.weights == "random" and not is_user_code(self.source):
            mend = "use --pretrained or --weights FILE, unless a random network is what is wanted"
            return (f"the weights of {self.name} are random and are not trained: {mend}",)
        if self.is_among_new:
            mend = "train it, or take its deep trunk alone"
            return (f"the shallow trunks of {self.name} have random weights and are not trained: {mend}",)
        return ()

    def to_dict(self) -> dict[str, Any]:
        """The facts that stand in the run and in every artifact; the last four only where there are such."""
        facts: dict[str, Any] = {"name": self.name, "source": self.source, "weights": self.weights}
        facts |= {"pretrained": self.pretrained, "licence": self.licence}
        facts |= {"mean": list(self.mean), "std": list(self.std)} if self.own_pixels else {}
        facts |= {"cut": self.cut} if self.cut is not None else {}
        return facts | ({"pooling": self.pooling} if self.pooling is not None else {})


def source_of(name: str) -> Source:
    """The source that has a base network of this name, or would have it."""
    own = next((source for source in SOURCES if source.has(name)), None)
    return own or (USER if is_user_code(name) else TIMM)


SOURCES: tuple[Source, ...] = (CONV4, PIXELS, deep_ranking_source(source_of), TIMM, USER)


def build_base(
    name: str,
    *,
    size: int | None = None,
    pretrained: bool = False,
    weights: Path | None = None,
    cut: int | str | None = None,
    pooling: str | None = None,
    fresh: bool = False,
    images_px: int | None = None,
) -> BaseNetwork:
    """Make a base network by name.

    Args:
        name: `conv4`, `pixels`, a model name of timm, with or without its tag (`resnet18`, `resnet18.a1_in1k`), the
            user's own `module:function` (trainer/networks/user_networks.py), or one of these beside shallow trunks
            (`deep_ranking:resnet18`, trainer/networks/deep_ranking.py).
        size: side of the input in pixels; None: what the network was made for, or what `images_px` says.
        pretrained: load the weights that are published for it: an installed package's, or timm's.
        weights: load a local .safetensors or .pt file of the whole network instead.
        cut: number of stages that are kept, from the input, or a layer by its name or number (`layer2.0`, `@17`);
            everything behind is gone. None: the whole network.
        pooling: `avg`, `max`, `gem` or `flatten` of the last feature map, over patches where the network works on
            patches (its class token is then not used). None: as the network does, or the average behind a cut.
        fresh: it is about to be trained, so a pooling that was left open is chosen: a small map of random weights is
            flattened. What was trained is built again as it was.
        images_px: median of the shorter sides of the images that a fresh one will be trained on
            (trainer/networks/input_size.py).

    Raises:
        UsageError: unknown name, a size that the network cannot take, weights that do not exist or do not fit, a
            network that cannot be cut or pooled in this way.
        TrainingError: published weights that could not be fetched.
    """
    if pooling is not None and pooling not in POOLINGS:
        raise UsageError("pooling", expected=f"one of {', '.join(POOLINGS)}", got=repr(pooling), where="--pooling")
    try:
        trained = pretrained or weights is not None
        start = Start(size=size, images_px=images_px, published=pretrained, trained=trained)
        whole = source_of(name).make(name, start)
    except UnknownNameError as error:
        raise _name_error(name, error.known) from None
    origin, licence = whole.weights, whole.licence
    if weights is not None:
        origin, licence = f"file {weights.name}", load_weights(whole.module, weights, name=name)
    family = whole.family() if fresh else "own"
    if fresh and not trained and pooling is None and cut is None and whole.has_small_map():
        pooling = "flatten"
    black = torch.zeros(1, 3, whole.size, whole.size)
    module: nn.Module
    at_layer = isinstance(cut, str)
    if isinstance(cut, str):
        module, cut = cut_behind(whole, cut)
        ends = whole.ends[: last_stage(find_stages(module, whole.ends, black)[0])]
    else:
        module, ends = _taken_apart(whole, cut, pooling), whole.ends[:cut]
    keep_names(whole.module, part=whole.part)  # now: what takes a network apart may put modules of its own in
    stages, features = find_stages(module, ends, black)
    if features.ndim > 2:
        module = Pooled(module, pooling or "avg")
        stages, features = find_stages(module, ends, black)
    elif pooling is not None:
        raise whole.not_pooled("one vector per image already")
    inner = module
    if whole.around is not None:
        module = whole.around(module, whole.size)
        stages, features = find_stages(module, ends, black)
    bind_flattening(module, black)
    num_features = int(features.shape[1])
    return BaseNetwork(
        name=name,
        module=module,
        num_features=num_features,
        size=whole.size,
        mean=whole.mean,
        std=whole.std,
        own_pixels=whole.own_pixels,
        source=whole.source,
        weights=origin,
        pretrained=pretrained and weights is None,
        licence=licence,
        stages=stages,
        cut=cut,
        pooling=pooling,
        family=family,
        trained=trained,
        is_among_new=whole.around is not None,
        notes=_notes(
            name, num_features, pooling, can_pool=isinstance(inner, Pooled) or (whole.pools_a_map and not at_layer)
        ),
    )


def make_branch(config: TrainConfig, base: BaseNetwork, attributes: Attributes | None = None) -> Branch:
    """The untrained branch of a configuration, with its other towers; torch's global generator decides the new layers.

    Args:
        attributes: of a run with an attribute tower.
    """
    if config.head == NONE:
        return FeatureBranch(
            base.module,
            num_features=base.num_features,
            mean=base.mean,
            std=base.std,
            normalize=bool(config.normalize),
        )
    branch = branch_of(base, embedding_dim=config.dim, normalize=bool(config.normalize))
    branch.towers = make_towers(config, attributes)
    return branch


def branch_of(base: BaseNetwork, *, embedding_dim: int, normalize: bool) -> Branch:
    """A base network with a new embedding layer behind it."""
    return Branch(
        base.module,
        num_features=base.num_features,
        embedding_dim=embedding_dim,
        mean=base.mean,
        std=base.std,
        normalize=normalize,
    )


def make_preprocessing(config: TrainConfig, base: BaseNetwork) -> Preprocessing:
    """How images become that network's input: its size, mean and std, fitted as the configuration says."""
    return Preprocessing(height=base.size, width=base.size, fit=config.fit, mean=base.mean, std=base.std)


def _taken_apart(whole: SourceNetwork, cut: int | None, pooling: str | None) -> nn.Module:
    """The whole network, its first stages, or all of it but its own pooling."""
    if cut is None:
        return whole.module if pooling is None else whole.last_map()
    if whole.ends and not 1 <= cut <= len(whole.ends):
        names = ", ".join(stage for stage, _ in whole.ends)
        expected = f"1..{len(whole.ends)} stages ({names})"
        raise UsageError(f"cut of {whole.name}", expected=expected, got=str(cut), where="--cut")
    return whole.first_stages(cut)


def _notes(name: str, num_features: int, pooling: str | None, *, can_pool: bool) -> tuple[str, ...]:
    if num_features <= MANY_FEATURES:
        return ()
    mend = "use --pooling avg" if can_pool else "use a smaller --size"
    mend += ", or a smaller --size" * (pooling == "flatten")
    return (f"{name} gives {num_features:,} features, the embedding layer has that many weights a neuron; {mend}",)


def _name_error(name: str, known: Sequence[str]) -> UsageError:
    ours = [each for source in SOURCES for each in source.names]
    near = difflib.get_close_matches(name, [*ours, *known], n=3, cutoff=0.5)
    mend = f"nearest: {', '.join(near)}" if near else "timm.list_models() lists them"
    expected = f"{', '.join(ours)} or a name of timm"
    return UsageError("base network", expected=expected, got=repr(name), where="--base", mend=mend)
