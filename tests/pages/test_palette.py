"""The palette: its classes apart for everybody, light and dark, and legible on their paper."""

from __future__ import annotations

import numpy as np
import pytest

from pages.palette import ABSENT, CLASSES, MORE, NUM_STEPS, SCHEMES, STEPS, rgb

SEEN = {
    "everybody": np.eye(3),
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopes": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Linear RGB as they see it: G. Machado, M. Oliveira, L. Fernandes 2009, severity 1."""


def _linear(colours: list[str]) -> np.ndarray:
    share = np.array([rgb(colour) for colour in colours]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _oklab(linear: np.ndarray) -> np.ndarray:
    """B. Ottosson 2020, "A perceptual color space for image processing"."""
    to_cones = [[0.4122215, 0.5363325, 0.051446], [0.2119035, 0.6806995, 0.107397], [0.0883025, 0.2817188, 0.6299787]]
    to_lab = [[0.2104543, 0.7936178, -0.0040721], [1.9779985, -2.4285922, 0.4505937], [0.025904, 0.7827718, -0.8086758]]
    return np.cbrt(np.clip(linear @ np.transpose(to_cones), 0, None)) @ np.transpose(to_lab)


def _contrast(colours: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """W3C's ratio of luminances."""
    light = [0.2126, 0.7152, 0.0722]
    a, b = colours @ light + 0.05, float((paper @ light)[0]) + 0.05
    return np.maximum(a / b, b / a)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("who", SEEN)
def test_classes_are_apart_for(scheme: str, who: str) -> None:
    """Each from each and from the grey of all others; a barely seen difference is .02."""
    colours = _linear([SCHEMES[scheme][name] for name in (*CLASSES, MORE)])
    seen = _oklab(np.clip(colours @ np.transpose(SEEN[who]), 0, 1))
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_classes_stand_out_from_their_paper(scheme: str) -> None:
    """Points of some pixels: at least two to one on light and three to one on dark paper."""
    colours = SCHEMES[scheme]
    paper = _linear([colours["paper"]])
    assert _contrast(_linear([colours[name] for name in CLASSES]), paper).min() > (1.9 if scheme == "light" else 3.0)
    assert _contrast(_linear([colours[ABSENT]]), paper).min() > 1.25


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_ramp_leaves_its_paper_step_by_step(scheme: str) -> None:
    """Lightness goes one way, away from the paper, in steps that are never back."""
    lightness = _oklab(_linear([SCHEMES[scheme][name] for name in STEPS]))[:, 0]
    steps = np.diff(lightness) * (-1 if scheme == "light" else 1)
    assert len(lightness) == NUM_STEPS
    assert (steps > 0).all()


@pytest.mark.parametrize("who", SEEN)
def test_the_two_sides_of_zero_are_apart_for(who: str) -> None:
    """At full strength and over grey at half of it: a barely seen difference is .02."""
    sides = _linear([SCHEMES["light"]["alike"], SCHEMES["light"]["unlike"]])
    half = (sides + _linear(["#808080"])) / 2
    for each in (sides, half):
        seen = _oklab(np.clip(each @ np.transpose(SEEN[who]), 0, 1))
        assert np.linalg.norm(seen[0] - seen[1]) > 0.1
