"""The moving average of the weights, against the recurrence written as a loop."""

import torch
from torch import nn

from trainer.networks.branch import Branch
from trainer.weights.averaging import make_average


def _branch() -> Branch:
    base = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Branch(base, num_features=4, embedding_dim=2, mean=(0.5,) * 3, std=(0.5,) * 3, normalize=False)


def test_average_follows_its_recurrence_in_weights_and_statistics() -> None:
    """average += (1 - min(decay, (1 + n) / (10 + n))) * (value - average), the first update copies."""
    torch.manual_seed(0)
    branch = _branch()
    average = make_average(branch, 0.5)
    expected: dict[str, torch.Tensor] = {}
    for count in range(12):
        branch(torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8))  # moves the batch statistics
        with torch.no_grad():
            for parameter in branch.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update_parameters(branch)
        share = 1.0 if count == 0 else 1 - min(0.5, (1 + count) / (10 + count))
        for name, value in branch.state_dict().items():
            if value.is_floating_point():
                before = expected.get(name, torch.zeros_like(value))
                expected[name] = before + share * (value - before)
    for name, value in expected.items():
        torch.testing.assert_close(average.module.state_dict()[name], value)
    assert int(average.module.base[1].num_batches_tracked) == 12


def test_average_leaves_the_branch_alone() -> None:
    """Averaged weights are a copy."""
    branch = _branch()
    before = {name: value.clone() for name, value in branch.state_dict().items()}
    average = make_average(branch, 0.9)
    average.update_parameters(branch)
    with torch.no_grad():
        average.module.embedding.weight.zero_()
    for name, value in before.items():
        torch.testing.assert_close(branch.state_dict()[name], value)
