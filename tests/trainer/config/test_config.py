"""The training configuration: refusals in one line, overrides, and its file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from artifact.errors import UsageError
from trainer.config.complaints import setting_keys
from trainer.config.config import TrainConfig, make_config, to_yaml, with_overrides
from trainer.config.resolution import read_validation
from trainer.config.settings import Settings
from trainer.loop.preparation import settle


def _config(**values: Any) -> TrainConfig:
    return make_config({"images": "photos", "kind": "triplet"} | values)


def _resolve(**values: Any) -> TrainConfig:
    config = settle(_config(**values))[0]
    read_validation(config.validation)
    return config


def _refusal(**values: Any) -> str:
    with pytest.raises(UsageError) as caught:
        _resolve(**values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dim": 0}, "dim: expected 1..4096, got 0 (--dim)"),
        (
            {"dim": 5000, "epochs": -1},
            "dim: expected 1..4096, got 5000 (--dim); epochs: expected 0..100000, got -1 (--epochs)",
        ),
        ({"dim": "many"}, "dim: expected a whole number, got 'many' (--dim)"),
        ({"size": 4}, "size: expected 8..4096, got 4 (--size)"),
        ({"seed": -1}, "seed: expected at least 0, below 4294967296, got -1 (--seed)"),
        ({"minutes": float("nan")}, "minutes: expected a finite number, above 0, at most 100000, got nan (--minutes)"),
        ({"margin": float("nan")}, "margin: expected a finite number, got nan (--margin)"),
        ({"kind": None}, "kind: expected a text, got None (--kind)"),
        (
            {"optimizer": {"name": "adam"}},
            "optimizer.name: expected one of 'adamw', 'sgd', got 'adam' (--set optimizer.name=...)",
        ),
        (
            {"optimizer": {"learning_rate": 0}},
            "optimizer.learning_rate: expected above 0, at most 100, got 0 (--set optimizer.learning_rate=...)",
        ),
        (
            {"augment": {"rotate": 3}},
            "setting 'augment.rotate': expected a known one, got 3; nearest: augment.rotate_deg",
        ),
        ({"dims": 3}, "setting 'dims': expected a known one, got 3; nearest: dim"),
        ({"kind": "twin"}, "kind: expected one of siamese, triplet, quartet, got 'twin' (--kind)"),
        (
            {"kind": "tripler"},
            "kind: expected one of siamese, triplet, quartet, got 'tripler' (--kind); did you mean triplet?",
        ),
        ({"distance": "l2"}, "distance: expected one of euclidean, squared_euclidean, cosine, got 'l2' (--distance)"),
        (
            {"loss": "quadruplet"},
            "loss of a triplet model: expected contrastive or contrastive_linear or triplet or triplet_soft or "
            "triplet_capped, got quadruplet (--loss)",
        ),
        (
            {"loss": "contrastive", "mining": "semihard"},
            "mining for the loss contrastive: expected one of all, easy, semi_hard, hard, batch_hard, multi_similarity,"
            " got 'semihard' (--mining); did you mean semi_hard?",
        ),
        (
            {"loss": "triplet", "mining": "easy"},
            "mining for the loss triplet: expected one of all, semi_hard, hard, nearest_semi_hard, batch_hard, "
            "multi_similarity, got easy, whose triplets all have loss 0 (--mining)",
        ),
        (
            {"loss": "triplet_soft", "mining": "semi_hard"},
            "margin with --mining semi_hard: expected above 0, for semi-hard is less than a margin apart, got 0 "
            "(--margin)",
        ),
        (
            {"loss": "triplet", "cap": 3},
            "cap of the loss triplet: expected none, for it has no largest value, got 3 (--set cap=...); use --loss "
            "triplet_capped",
        ),
        (
            {"loss": "triplet_capped", "margin": 1, "cap": 1},
            "cap of the triplet_capped loss: expected above margin (1), which is the loss of equal vectors, got 1 "
            "(--set cap=...)",
        ),
        (
            {"margin": -3},
            "margin: expected a finite number, 0 or more, got -3 (--margin); what DLPy writes as -3 is 3 here",
        ),
        (
            {"margin": 2.5, "normalize": True},
            "margin for normalised vectors under the euclidean distance: expected at most 2, got 2.5 (--margin)",
        ),
        (
            {"margin": 5, "normalize": True, "distance": "squared_euclidean"},
            "margin for normalised vectors under the squared_euclidean distance: expected at most 4, got 5 (--margin)",
        ),
        (
            {"margin": 2.5, "normalize": False, "distance": "cosine"},
            "margin for vectors under the cosine distance: expected at most 2, got 2.5 (--margin)",
        ),
        (
            {"kind": "quartet", "margin": 0.2, "margin2": 0.3},
            "margin2 of the quadruplet loss: expected below margin (0.2), got 0.3 (--set margin2=...)",
        ),
        (
            {"margin2": 0.3},
            "margin2 of the loss triplet: expected none, for it has one margin, got 0.3 (--set margin2=...); quadruplet"
            " has two (--kind quartet)",
        ),
        (
            {"kind": "quartet", "loss": "dlpy", "margin": 1, "margin2": 0.3},
            "margin2 of the loss dlpy: expected none, for it has one margin, got 0.3 (--set margin2=...); quadruplet"
            " has two (--kind quartet)",
        ),
        (
            {"mining": "nearest_semi_hard"},
            "mining for the loss contrastive_linear: expected one of all, easy, semi_hard, hard, batch_hard,"
            " multi_similarity, got 'nearest_semi_hard' (--mining); it is for --loss triplet or triplet_soft or "
            "triplet_capped",
        ),
        ({"loss": "contrastive", "margin": 0}, "margin of the contrastive loss: expected above 0, got 0 (--margin)"),
        (
            {"kind": "quartet", "loss": "quadruplet", "sampling": {"classes_per_batch": 2}},
            "classes in a batch of a quartet model: expected at least 3 (anchor and two negatives are of different"
            " classes), got 2 (--set sampling.classes_per_batch=...)",
        ),
        ({"validation": "images:1.5"}, "validation share: expected a number between 0 and 1, got '1.5' (--validation)"),
        (
            {"validation": "image:0.1"},
            "validation: expected images:SHARE, classes:SHARE, combinations:SHARE (of attributes), none or a folder, "
            "got 'image:0.1' (--validation)",
        ),
        (
            {"pretrained": True, "weights": "w.safetensors"},
            "start weights: expected --pretrained or weights, not both, got both",
        ),
    ],
)
def test_config_refuses_in_one_line(values: dict[str, Any], message: str) -> None:
    """What was expected, what was got, and the option that says it."""
    assert _refusal(**values) == message


def test_missing_images_are_named() -> None:
    """A configuration without the one path that training needs, when it is settled."""
    with pytest.raises(UsageError, match=r"^IMAGES\|TABLE: expected a folder of images or a table to train on, got"):
        settle(make_config({"kind": "triplet"}))


def test_config_survives_its_own_yaml() -> None:
    """What is saved beside the checkpoint reads back as the same configuration."""
    config = settle(_config(augment={"flip": True}, weights="w.pt", size=96))[0]
    assert make_config(yaml.safe_load(to_yaml(config))) == config
    assert config.weights == Path("w.pt")


def test_overrides_reach_nested_settings_with_their_types() -> None:
    """Numbers in any spelling, truth values, null and text; the given dict stays as it was."""
    values: dict[str, Any] = {"images": "photos", "kind": "triplet", "optimizer": {"name": "sgd"}}
    overrides = ["optimizer.learning_rate=1e-2", "augment.flip=true", "size=null", "epochs=3", "validation=classes:0.2"]
    config = make_config(with_overrides(values, overrides))
    assert config.optimizer.learning_rate == 0.01
    assert config.optimizer.name == "sgd"
    assert config.augment.flip is True
    assert config.size is None
    assert config.epochs == 3
    assert config.validation == "classes:0.2"
    assert values == {"images": "photos", "kind": "triplet", "optimizer": {"name": "sgd"}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimizer.learning_rat=1",
            "--set: expected a known setting, got 'optimizer.learning_rat'; nearest: optimizer.learning_rate",
        ),
        ("learning_rate=1", "--set: expected a known setting, got 'learning_rate'; nearest: optimizer.learning_rate"),
        ("epochs", "--set: expected KEY=VALUE, got 'epochs'"),
        ("size={", "--set: expected a value of YAML, got 'size={'"),
    ],
)
def test_overrides_of_unknown_settings_name_the_nearest(override: str, message: str) -> None:
    """A typing error is answered with the key that was meant."""
    with pytest.raises(UsageError) as caught:
        with_overrides({}, [override])
    assert str(caught.value) == message


def test_setting_keys_are_those_of_the_saved_file() -> None:
    """Every leaf of config.yaml can be set, and nothing else."""
    saved = yaml.safe_load(to_yaml(_config()))
    groups = {name for name, field in TrainConfig.model_fields.items() if isinstance(field.default, Settings)}
    leaves = [f"{group}.{inner}" for group in groups for inner in saved[group]]
    assert sorted(setting_keys(TrainConfig)) == sorted(leaves + [key for key in saved if key not in groups])


def test_kind_is_asked_for_unless_nothing_is_trained() -> None:
    """Without a step it says no more than which streams a full model takes."""
    with pytest.raises(UsageError) as caught:
        make_config({"images": "x"})
    assert str(caught.value) == "kind: expected one of siamese, triplet, quartet, got nothing (--kind)"
    config = make_config(with_overrides({"images": "x"}, ["epochs=0"]))
    assert (config.kind, config.is_trained) == ("triplet", False)
    assert make_config({"images": "x", "epochs": 0, "kind": "quartet"}).kind == "quartet"
    assert make_config({"images": "x", "kind": "siamese"}).is_trained
