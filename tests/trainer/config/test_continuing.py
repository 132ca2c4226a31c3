"""The configuration of a run that goes on: what the command leaves open is as it was settled."""

from typing import Any

from trainer.config.config import TrainConfig, make_config
from trainer.config.continuing import continued
from trainer.loop.preparation import settle


def _config(**values: Any) -> TrainConfig:
    return make_config({"images": "photos", "kind": "triplet"} | values)


def test_open_settings_are_as_they_were_written() -> None:
    """In groups too; what the command says stays, to be compared."""
    sampling = {"classes_per_batch": 7}
    written = _config(epochs=20, steps=None, validation="images:0.1", size=48, sampling=sampling, loop={"keep": "best"})
    given = _config(size=64, loop={"patience": 3})
    config = continued(given, written)
    assert (config.epochs, config.validation, config.size) == (20, "images:0.1", 64)
    assert config.sampling.classes_per_batch == 7
    assert (config.loop.keep, config.loop.patience) == ("best", 3)


def test_time_budget_gives_way_to_the_steps_that_were_settled() -> None:
    """The same command again, with --resume."""
    config = continued(_config(minutes=4), _config(steps=812, epochs=23))
    assert (config.minutes, config.steps, config.epochs) == (None, 812, 23)


def test_loss_of_before_stays_and_what_follows_from_it() -> None:
    """A margin alone meant the default loss once; a miner that nobody named is not taken for one that was asked for."""
    before = settle(_config(loss="contrastive_linear", margin=0.2))[0]
    config = continued(_config(margin=0.2), before)
    assert (config.loss, config.mining) == ("contrastive_linear", None)
    assert settle(config)[0].model_copy(update={"margin2": None}) == before.model_copy(update={"margin2": None})
