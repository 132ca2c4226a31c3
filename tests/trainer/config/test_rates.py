"""Rates that were left open: filled in by what is known of the network, kept where they are given."""

from typing import Any

import pytest

from trainer.config.config import TrainConfig, make_config
from trainer.config.rates import Family, Rates, usual_rates, with_frozen
from trainer.config.resolution import PRETRAINED_BASE, resolve
from trainer.loop.preparation import settle

TRAINED = usual_rates("convolutions", trained=True)


def _config(**values: Any) -> TrainConfig:
    return make_config({"images": "photos", "kind": "triplet"} | values)


def _resolved(rates: Rates, **values: Any) -> TrainConfig:
    config, _ = settle(_config(**values))
    return resolve(
        config,
        strategy="balanced",
        size=64,
        cut=None,
        pooling=None,
        num_features=128,
        rates=rates,
        num_classes=10,
        metrics=(),
        precision="fp32",
    )


@pytest.mark.parametrize(
    ("family", "trained", "adamw"),
    [
        ("conv4", False, 1e-3),
        ("conv4", True, 1e-3),
        ("own", False, 1e-3),
        ("own", True, 1e-3),
        ("convolutions", False, 3e-3),
        ("patches", False, 1e-3),
        ("convolutions", True, 1e-3),
    ],
)
def test_learning_rate_follows_network_weights_and_optimizer(family: Family, trained: bool, adamw: float) -> None:
    """Conv4 and a user's own network have the rate that they always had; sgd has one of its own."""
    rates = usual_rates(family, trained=trained)
    assert _resolved(rates).optimizer.learning_rate == adamw
    assert _resolved(rates, optimizer={"name": "sgd"}).optimizer.learning_rate == rates.sgd >= 10 * adamw
    is_tuned = trained and family == "convolutions"
    assert _resolved(rates).freeze.statistics is (True if is_tuned else None)
    assert _resolved(rates, freeze={"statistics": False}).freeze.statistics is False
    assert _resolved(rates).optimizer.base_rate == (0.1 if is_tuned else 1.0)


def test_rates_that_are_given_stay() -> None:
    """Each by itself, the neutral values too."""
    config = _resolved(TRAINED, optimizer={"learning_rate": 0.5, "base_rate": 1.0})
    assert (config.optimizer.learning_rate, config.optimizer.base_rate) == (0.5, 1.0)
    config = _resolved(TRAINED, optimizer={"learning_rate": 0.5})
    assert (config.optimizer.learning_rate, config.optimizer.base_rate) == (0.5, 0.1)


@pytest.mark.parametrize(
    ("per_epoch", "epochs", "frozen"),
    [
        (8, 188, 12),
        (100, 20, 1),
        (190, 20, 1),
        (300, 20, 0),
        (1000, 20, 0),
        (1, 200, 100),
        (7, 5, 4),
        (100, 1, 0),
        (10, 0, 0),
        (50, None, 2),
        (1000, None, 0),
    ],
)
def test_frozen_epochs_make_about_a_hundred_steps_but_never_all(
    per_epoch: int, epochs: int | None, frozen: int
) -> None:
    """The nearest number of epochs; one at least is left in which the base network moves, where theirs is known."""
    config = _config().model_copy(update={"epochs": epochs})
    assert with_frozen(config, TRAINED, per_epoch=per_epoch).freeze.epochs == frozen
    random = usual_rates("convolutions", trained=False)
    assert with_frozen(config, random, per_epoch=per_epoch).freeze.epochs == 0
    given = _config(freeze={"epochs": 7, "unfreeze_every": 2})
    assert with_frozen(given, TRAINED, per_epoch=per_epoch) == given


@pytest.mark.parametrize(
    ("values", "base"),
    [
        ({}, "conv4"),
        ({"pretrained": True}, PRETRAINED_BASE),
        ({"pretrained": True, "base": "resnet18"}, "resnet18"),
        ({"pretrained": True, "base": "conv4"}, "conv4"),  # refused when it is built
        ({"weights": "w.safetensors"}, "conv4"),
    ],
)
def test_base_network_follows_pretrained_unless_it_is_given(values: dict[str, Any], base: str) -> None:
    """`--pretrained` alone means a network that has published weights."""
    assert _resolved(TRAINED, **values).base == base


def test_every_rate_is_known_by_what_a_network_is() -> None:
    """No hole in the table, and no rate that the settings would refuse."""
    for family in ("conv4", "convolutions", "patches", "own"):
        for trained in (False, True):
            for optimizer in ("adamw", "sgd"):
                rates = usual_rates(family, trained=trained)
                rate = rates.of(optimizer)
                make_config({"images": "x", "kind": "triplet", "optimizer": {"name": optimizer, "learning_rate": rate}})
                assert rates.frozen_steps >= 0
