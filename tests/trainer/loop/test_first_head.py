"""The embedding layer that a run begins with: when it is LDA, that it is the one of the features, and that runs with it
go on as any."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from artifact.errors import UsageError
from tests.shared.shapes_run import fit_small
from trainer.config.config import TrainConfig, make_config
from trainer.config.head import check_first_head, usual_first_head
from trainer.head.closed_form import head_of
from trainer.head.features import training_features
from trainer.head.scatter import find_scatter
from trainer.head.untrained import USUAL_SHRINKAGE
from trainer.loop.preparation import prepare
from trainer.networks.base_networks import build_base, make_branch


def _config(**values: Any) -> TrainConfig:
    return make_config({"images": "photos", "kind": "triplet"} | values)


@pytest.mark.parametrize(
    ("values", "knows", "num_classes", "expected"),
    [
        ({}, True, 8, "lda"),
        ({"head": "lda"}, True, 100, "lda"),
        ({}, True, 7, "random"),
        ({}, False, 100, "random"),
        ({"head": "trained"}, True, 100, "random"),
        ({"head": "pca"}, True, 100, "random"),
        ({"freeze": {"epochs": 0}}, True, 100, "random"),
        ({"epochs": 0}, True, 100, "random"),
    ],
)
def test_trained_features_have_a_head_to_begin_with(
    values: dict[str, Any], knows: bool, num_classes: int, expected: str
) -> None:
    """Of classes enough; not where another head was asked for, or frozen epochs, which teach a random one."""
    assert usual_first_head(_config(**values), knows_something=knows, num_classes=num_classes) == expected


@pytest.mark.parametrize(("values", "num_classes"), [({}, 0), ({}, 1), ({"epochs": 0}, 9)])
def test_first_lda_of_nothing_is_refused(values: dict[str, Any], num_classes: int) -> None:
    """Tables of tuples and one class have nothing to tell apart; a run without a step has no first layer."""
    with pytest.raises(UsageError, match=r"first_head lda.*--set first_head"):
        check_first_head(_config(first_head="lda", **values), num_classes=num_classes)
    check_first_head(_config(**values), num_classes=num_classes)


def test_run_begins_with_the_lda_of_its_features(shapes: Path, tmp_path: Path) -> None:
    """A run that hardly moves ends with it: the layer of the first features, computed here by hand."""
    still = {"first_head": "lda", "head": "trained", "optimizer": {"learning_rate": 1e-12}, "epochs": 1}
    run = fit_small(shapes, tmp_path / "run", **still)
    torch.manual_seed(run.config.seed)
    prepared = prepare(run.config, report=lambda event: None)
    branch = make_branch(prepared.config, prepared.base)
    features = training_features(branch, prepared.train, None, folder=tmp_path, seed=run.config.seed)
    scatter = find_scatter(features.values, features.labels, dim=run.config.dim)
    layer = head_of(scatter, dim=run.config.dim, method="lda", shrinkage=USUAL_SHRINKAGE)
    weight = run.branch.embedding.weight.detach().numpy()
    if run.config.normalize:
        np.testing.assert_allclose(weight, layer.weight, rtol=1e-3, atol=1e-5)
    assert run.facts["head"]["name"] == "trained"


def test_run_with_a_first_head_goes_on_as_any(shapes: Path, tmp_path: Path) -> None:
    """Cut after its first epoch and resumed it has the bytes of the whole run; cut before any state, too."""
    values = {"first_head": "lda", "epochs": 2, "loop": {"average": 0.9}}
    whole = fit_small(shapes, tmp_path / "whole", **values)

    class CutOffError(Exception):
        pass

    for name, event_name in (("early", "length"), ("late", "epoch")):

        def cut(event: Any, at: str = event_name) -> None:
            if event["event"] == at:
                raise CutOffError

        with pytest.raises(CutOffError):
            fit_small(shapes, tmp_path / name, report=cut, **values)
        resumed = fit_small(shapes, tmp_path / name, resume=True, **values)
        for key, tensor in whole.branch.state_dict().items():
            assert torch.equal(tensor, resumed.branch.state_dict()[key]), (name, key)


def test_network_with_trained_weights_begins_with_lda(shapes: Path, tmp_path: Path) -> None:
    """And without frozen epochs; of four classes it is a random layer, as before, whose first epochs are frozen."""
    weights = tmp_path / "weights.safetensors"
    save_file(build_base("test_resnet", size=32).module.state_dict(), weights)
    values = {"base": "test_resnet", "weights": weights, "size": 32, "epochs": 3}
    turned = {"turns": True, "rotate_deg": 0, "translate": 0, "scale": 0}
    begun = fit_small(shapes, tmp_path / "turned", **values, augment=turned).config
    assert (begun.first_head, begun.freeze.epochs) == ("lda", 0)
    few = fit_small(shapes, tmp_path / "few", **values).config
    assert few.first_head == "random"
    assert few.freeze.epochs > 0
