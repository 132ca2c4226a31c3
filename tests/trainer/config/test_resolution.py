"""Resolution of a configuration: each open setting filled in from the others, the data and the device."""

from pathlib import Path
from typing import Any

import pytest

from artifact.distances import DISTANCES
from artifact.errors import UsageError
from artifact.losses import LOSSES
from trainer.config.config import TrainConfig, make_config
from trainer.config.rates import usual_rates
from trainer.config.resolution import batch_shape, choose_strategy, read_validation, resolve
from trainer.loop.preparation import settle


def _config(**values: Any) -> TrainConfig:
    return make_config({"images": "photos", "kind": "triplet"} | values)


def _resolve(config: TrainConfig, **facts: Any) -> TrainConfig:
    found = {"strategy": "balanced", "size": 28, "num_classes": 10, "metrics": ("recall@1", "mAP@R")}
    network = {
        "cut": config.cut,
        "pooling": config.pooling,
        "num_features": 128,
        "rates": usual_rates("conv4", trained=False),
    }
    return resolve(settle(config)[0], **(found | network | {"precision": "fp32"} | facts))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("kind", ["siamese", "triplet", "quartet"])
def test_settings_are_filled_in_from_each_other(kind: str, normalize: bool) -> None:
    """Loss from the kind, margins from loss, distance and normalisation, mining from the loss."""
    config, loss = settle(_config(kind=kind, normalize=normalize))
    assert loss is LOSSES[str(config.loss)]
    assert kind in loss.kinds
    assert config.margin == loss.default_margin(DISTANCES["euclidean"], normalized=normalize)
    assert config.margin2 == config.margin / 2
    assert config.mining == loss.mining


@pytest.mark.parametrize(
    ("values", "loss", "normalize"),
    [
        ({"kind": "siamese"}, "contrastive_linear", True),
        ({"kind": "triplet"}, "contrastive_linear", True),
        ({"kind": "quartet"}, "contrastive_linear", True),
        ({"loss": "triplet"}, "triplet", False),
        ({"loss": "triplet", "normalize": True}, "triplet", True),
        ({"normalize": False}, "contrastive_linear", False),
        ({"kind": "siamese", "margin": 3}, "contrastive_linear", False),
        ({"kind": "siamese", "margin": 2}, "contrastive_linear", True),
        ({"kind": "siamese", "margin": 3, "distance": "squared_euclidean"}, "contrastive_linear", True),
    ],
)
def test_length_of_vectors_follows_the_loss_unless_it_is_given(
    values: dict[str, Any], loss: str, normalize: bool
) -> None:
    """Linear contrastive losses want unit vectors, if those can meet the margin; hinges do better without."""
    config, _ = settle(_config(**values))
    assert (config.loss, config.normalize) == (loss, normalize)


@pytest.mark.parametrize(
    ("values", "loss", "margins"),
    [
        ({"kind": "triplet", "margin": 0.2}, "triplet", (0.2, 0.1)),
        ({"kind": "triplet", "margin": 0.2, "normalize": True}, "triplet", (0.2, 0.1)),
        ({"kind": "triplet", "margin": 0.2, "distance": "squared_euclidean"}, "triplet", (0.2, 0.1)),
        ({"kind": "triplet", "margin": 0.2, "loss": "contrastive_linear"}, "contrastive_linear", (0.2, 0.1)),
        ({"kind": "triplet", "margin": 0}, "triplet", (0, 0)),
        ({"kind": "siamese", "margin": 0.2}, "contrastive_linear", (0.2, 0.1)),
        ({"kind": "quartet", "margin": 0.2}, "quadruplet", (0.2, 0.1)),
        ({"kind": "quartet", "margin2": 0.2}, "quadruplet", (1, 0.2)),
        ({"kind": "triplet"}, "contrastive_linear", (1, 0.5)),
    ],
)
def test_margin_belongs_to_a_loss(values: dict[str, Any], loss: str, margins: tuple[float, float]) -> None:
    """A margin without a loss is one of the loss whose margin the kind's users mean."""
    config, _ = settle(_config(**values))
    assert (config.loss, config.margin, config.margin2) == (loss, *margins)
    assert settle(config)[0] == config


def test_margin_at_the_bound_is_taken() -> None:
    """The bound itself can be met by opposite vectors."""
    assert settle(_config(margin=2, normalize=True))[0].margin == 2
    assert settle(_config(margin=50, normalize=False))[0].margin == 50


def test_validation_is_a_share_a_place_or_nothing() -> None:
    """A colon alone makes no share: paths may have one."""
    assert read_validation("images:0.1") == ("images", 0.1)
    assert read_validation("classes:0.2") == ("classes", 0.2)
    assert read_validation("none") is None
    assert read_validation("s3:x/held_out") == Path("s3:x/held_out")


def test_strategy_follows_the_data() -> None:
    """Images with classes are balanced unless drawn in rounds; a table of tuples is what it is."""
    assert choose_strategy(_config(), is_tuples=False) == "balanced"
    assert choose_strategy(_config(), is_tuples=True) == "tuples"
    assert choose_strategy(_config(sampling={"strategy": "rounds"}), is_tuples=False) == "rounds"


@pytest.mark.parametrize(
    ("values", "is_tuples", "message"),
    [
        (
            {"sampling": {"strategy": "tuples"}},
            False,
            "sampling strategy for images with classes: expected balanced or rounds, got tuples"
            " (--set sampling.strategy=...)",
        ),
        (
            {"sampling": {"strategy": "rounds"}},
            True,
            "sampling strategy for a table of tuples: expected tuples, got rounds (--set sampling.strategy=...)",
        ),
        (
            {"augment": {"mirrors": True}},
            True,
            "augment.mirrors: expected images with classes, for it makes more of them, got a table of tuples"
            " (--set augment.mirrors=...)",
        ),
        (
            {"mining": "all", "sampling": {"strategy": "rounds"}},
            False,
            "mining: expected none, for tuples are drawn (sampling.strategy is rounds), got all (--mining)",
        ),
    ],
)
def test_settings_that_the_data_cannot_have_are_refused(values: dict[str, Any], is_tuples: bool, message: str) -> None:
    """One line each, known before any image is read."""
    with pytest.raises(UsageError) as caught:
        choose_strategy(_config(**values), is_tuples=is_tuples)
    assert str(caught.value) == message


def test_batch_shape_aims_at_a_hundred_images() -> None:
    """What is given stays; what is open follows from the number of classes."""
    assert batch_shape(10, classes_per_batch=None, images_per_class=None) == (10, 10)
    assert batch_shape(2, classes_per_batch=None, images_per_class=None) == (2, 50)
    assert batch_shape(5000, classes_per_batch=None, images_per_class=None) == (25, 4)
    assert batch_shape(5000, classes_per_batch=32, images_per_class=2) == (32, 2)
    assert batch_shape(3, classes_per_batch=32, images_per_class=2) == (3, 2)


def test_epoch_to_keep_follows_patience_and_what_is_measured() -> None:
    """Patience means the best is kept; the metric is the first that will be measured."""
    patient = _resolve(_config(loop={"patience": 3})).loop
    assert (patient.keep, patient.metric) == ("best", "recall@1")
    assert _resolve(_config(), metrics=()).loop.keep == "last"


def test_selection_by_what_is_not_measured_is_refused() -> None:
    """Choosing by a metric needs something held out to measure it on."""
    with pytest.raises(UsageError) as caught:
        _resolve(_config(loop={"keep": "best"}), metrics=())
    assert str(caught.value) == (
        "metric to choose the best epoch by: expected something held out, got nothing is held out "
        "(--set loop.metric=...); hold more out with --validation"
    )


def test_resolved_configuration_resolves_to_itself() -> None:
    """What config.yaml holds is final: taken as what a user wrote, it comes out as it was."""
    for kind in ("siamese", "triplet", "quartet"):
        config = _resolve(_config(kind=kind))
        assert _resolve(config) == config
        assert config.sampling.images_per_class == 10
        assert (config.size, config.loop.precision) == (28, "fp32")


def test_strategy_of_drawn_tuples_leaves_the_shape_of_batches_open() -> None:
    """P and K mean nothing there, and config.yaml says so."""
    sampling = _resolve(_config(), strategy="rounds").sampling
    assert (sampling.strategy, sampling.classes_per_batch, sampling.images_per_class) == ("rounds", None, None)
