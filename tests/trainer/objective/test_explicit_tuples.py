"""Tuples drawn one by one against one branch per stream, gradients included."""

import math

import pytest
import torch

from artifact.distances import DISTANCES
from artifact.errors import UsageError
from artifact.losses import LOSSES
from artifact.losses.loss import QUARTET
from tests.shared.objectives import gradient_of, make_objective, random_vectors
from tests.shared.plain_objective import MARGIN, mean_of_positive, plain_distance, plain_value
from trainer.objective.distances import distance_matrix, row_by_row


def _drawn(streams: int, seed: int = 0) -> torch.Tensor:
    """Tuples over eight images, repeated images and tuples among them."""
    return torch.randint(0, 8, (12, streams), generator=torch.Generator().manual_seed(seed))


def _drawn_plain(loss: str, distance: str, vectors: torch.Tensor, tuples: torch.Tensor) -> torch.Tensor:
    """Stacks one copy of the vectors per stream, as a network with one branch per stream has them."""
    streams = [vectors[tuples[:, stream]] for stream in range(tuples.shape[1])]

    def apart(i: int, j: int) -> torch.Tensor:
        rows = zip(streams[i], streams[j], strict=True)
        return torch.stack([plain_distance(distance, x, y) for x, y in rows])

    if loss == "triplet" and len(streams) == 4:
        terms = [[apart(0, 1), apart(0, 2)], [apart(0, 1), apart(0, 3)]]
    elif LOSSES[loss].form == QUARTET:
        terms = [[apart(0, 1), apart(0, 2), apart(2, 3) if loss == "quadruplet" else apart(0, 3)]]
    else:
        terms = [[apart(0, 1), apart(0, 2)]]
    values = [plain_value(loss, list(row)) for part in terms for row in zip(*part, strict=True)]
    mean: torch.Tensor = mean_of_positive(values)
    return mean


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(
    ("loss", "streams"),
    [("triplet", 3), ("triplet_soft", 3), ("triplet", 4), ("quadruplet", 4), ("dlpy", 4)],
)
def test_drawn_tuples_agree_with_stacked_branches(loss: str, streams: int, distance: str) -> None:
    """Each image runs once, yet gets the gradient of every stream it stands in."""
    tuples = torch.stack([torch.randperm(8, generator=torch.Generator().manual_seed(i))[:streams] for i in range(12)])
    vectors = random_vectors(seed=4)
    ours = make_objective(loss, distance=distance)(vectors, None, tuples=tuples).loss
    theirs = _drawn_plain(loss, distance, vectors, tuples)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-9)
    torch.testing.assert_close(gradient_of(ours, vectors), gradient_of(theirs, vectors), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("streams", [2, 3, 4])
def test_drawn_pairs_are_those_of_a_tuple_of_any_kind(streams: int) -> None:
    """The contrastive loss takes (a, p) as same and (a, n) as different of triplets and quartets."""
    vectors, tuples = random_vectors(seed=5), _drawn(streams)
    different = torch.tensor([True, False] * 6) if streams == 2 else None
    outcome = make_objective("contrastive")(vectors, tuples=tuples, different=different)
    groups: dict[bool, list[float]] = {True: [], False: []}
    for place, row in enumerate(tuples.tolist()):
        for stream in range(1, streams):
            apart = float((vectors[row[0]] - vectors[row[stream]]).detach().norm())
            differ = bool(different[place]) if different is not None else stream > 1
            groups[differ].append(0.5 * max(0.0, MARGIN - apart) ** 2 if differ else 0.5 * apart**2)
    expected = sum(sum(values) / max(1, sum(value > 0 for value in values)) for values in groups.values())
    assert outcome.loss.item() == pytest.approx(expected, abs=1e-9)
    assert int(outcome.num_tuples) == 12 * (streams - 1)


def test_drawn_tuples_report_the_same_numbers() -> None:
    """Shares and means over the drawn tuples only; pairs have no order, so no hardness."""
    vectors, tuples = random_vectors(seed=6), _drawn(3, seed=1)
    d = torch.cdist(vectors, vectors).detach()
    outcome = make_objective("triplet")(vectors, tuples=tuples)
    ap, an = d[tuples[:, 0], tuples[:, 1]], d[tuples[:, 0], tuples[:, 2]]
    assert float(outcome.share_hard) == pytest.approx(float((an <= ap).double().mean()))
    assert float(outcome.share_easy) == pytest.approx(float((an > ap + MARGIN).double().mean()))
    assert float(outcome.share_correct) == pytest.approx(float((ap < an).double().mean()))
    assert float(outcome.mean_positive) == pytest.approx(float(ap.mean()))
    assert float(outcome.mean_negative) == pytest.approx(float(an.mean()))
    pairs = make_objective("contrastive")(vectors, tuples=tuples[:, :2], different=torch.ones(12, dtype=torch.bool))
    assert math.isnan(float(pairs.share_hard))
    assert float(pairs.share_correct) == pytest.approx(float((ap > MARGIN / 2).double().mean()))


@pytest.mark.parametrize("distance", DISTANCES)
def test_drawn_tuples_of_one_image_have_finite_gradients(distance: str) -> None:
    """DLPy draws an anchor as its own positive; identical files and black images come too."""
    for vectors in (torch.ones(8, 4), torch.zeros(8, 4)):
        vectors.requires_grad_()
        for loss in LOSSES:
            streams = LOSSES[loss].num_images
            tuples = torch.zeros(3, streams, dtype=torch.int64)
            different = torch.tensor([True, False, True]) if streams == 2 else None
            outcome = make_objective(loss, distance=distance)(vectors, tuples=tuples, different=different)
            assert math.isfinite(outcome.loss.item())
            assert torch.isfinite(gradient_of(outcome.loss, vectors)).all()


@pytest.mark.parametrize("distance", DISTANCES)
def test_paired_distances_are_entries_of_the_matrix(distance: str) -> None:
    """Row against row and all against all are one definition, gradients included."""
    vectors, tuples = random_vectors(seed=7), _drawn(2, seed=3)
    left, right = tuples.unbind(1)
    paired = row_by_row(DISTANCES[distance], vectors[left], vectors[right])
    matrix = distance_matrix(DISTANCES[distance], vectors)[left, right]
    torch.testing.assert_close(paired, matrix, atol=1e-12, rtol=1e-9)
    keep = left != right
    gradients = [gradient_of(d[keep].sin().sum(), vectors) for d in (paired, matrix)]
    torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-9)


def test_tuples_that_a_loss_has_no_use_for_are_refused() -> None:
    """A quadruplet loss cannot make a fourth image, and pairs must say which are different."""
    vectors = random_vectors()
    with pytest.raises(UsageError, match="tuples for a loss of quartets: expected 4 images each, got 3"):
        make_objective("quadruplet")(vectors, tuples=_drawn(3))
    with pytest.raises(UsageError, match="pairs: expected different, a bool for each, got none"):
        make_objective("contrastive")(vectors, tuples=_drawn(2))
