"""The one palette of pages and pictures: ten colours of classes, two of right and wrong, greys, and scales of numbers.

Decisions a reader would question:
- The ten stay apart for whoever sees no red, no green or no blue: their least difference in OKLab is told by
  tests/pages/test_palette.py, seen by all, by protanopes, deuteranopes and tritanopes (Machado 2009). They were found
  by search around the hues of their names, light and dark by themselves.
- Two sides of zero, of what makes pictures alike and what makes them differ, are the orange and the purple of
  ColorBrewer's PuOr, the same on any paper: they lie over grey pictures.
- The ramp is viridis without its ends, the one that fades into the paper: the larger the number, the further from it.

Sources: S. van der Walt and N. Smith 2015, matplotlib's viridis; C. Brewer 2002, colorbrewer2.org.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NUM_CLASSES = 10
NUM_STEPS = 32
"""Of the ramp."""

CLASSES = tuple(f"c{number + 1}" for number in range(NUM_CLASSES))
STEPS = tuple(f"r{number}" for number in range(NUM_STEPS))
MORE, ABSENT = "muted", "absent"
"""Classes that have no colour of their own, and rows without a value."""

ALIKE, UNLIKE = "alike", "unlike"
"""The two sides of zero."""
_SIDES = {ALIKE: "#e66101", UNLIKE: "#5e3c99"}

PAINTED = ("same", "other", MORE, ABSENT, *CLASSES)
"""What a page paints with, but for the ramp."""

_LIGHT = (
    "#6369e6",
    "#ecac1c",
    "#2b6708",
    "#e56a85",
    "#631893",
    "#26a3df",
    "#984b76",
    "#858507",
    "#641003",
    "#24344c",
)
_DARK = (
    "#1c6eda",
    "#fea51a",
    "#9bffd7",
    "#ec6b46",
    "#8691fd",
    "#45cbfe",
    "#bc74a6",
    "#e3f93a",
    "#9e530c",
    "#c1b7ac",
)
_VIRIDIS = (
    *("#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c"),
    *("#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725"),
)
"""Every tenth of it."""


def _between(colours: tuple[str, ...], shares: npt.NDArray[np.float64]) -> tuple[str, ...]:
    """Colours at shares of the way along others."""
    channels = np.array([rgb(colour) for colour in colours], np.float64)
    steps = np.arange(len(colours)) / (len(colours) - 1)
    mixed = np.column_stack([np.interp(shares, steps, channel) for channel in channels.T]).round().astype(int)
    return tuple("#{:02x}{:02x}{:02x}".format(*row) for row in mixed.tolist())


def rgb(colour: str) -> tuple[int, int, int]:
    """`#3567d6` as three numbers of 0 to 255."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def _scheme(paper: dict[str, str], classes: tuple[str, ...], ramp: tuple[float, float]) -> dict[str, str]:
    steps = _between(_VIRIDIS, np.linspace(*ramp, NUM_STEPS))
    return {**paper, **dict(zip(CLASSES, classes, strict=True)), **dict(zip(STEPS, steps, strict=True))}


LIGHT = _scheme(
    {
        "paper": "#ffffff",
        "card": "#f7f7f8",
        "ink": "#1c1f26",
        "quiet": "#6b7280",
        "line": "#e3e5ea",
        "same": "#1f9d57",
        "other": "#d8433f",
        MORE: "#b9bdc6",
        ABSENT: "#d6d9df",
        **_SIDES,
    },
    _LIGHT,
    (0.95, 0.0),
)
"""{name: colour} on white paper."""

DARK = _scheme(
    {
        "paper": "#14161b",
        "card": "#1c1f26",
        "ink": "#e6e8ec",
        "quiet": "#98a0ae",
        "line": "#2d323c",
        "same": "#3cc47c",
        "other": "#f26b66",
        MORE: "#5c6371",
        ABSENT: "#434a57",
        **_SIDES,
    },
    _DARK,
    (0.15, 1.0),
)
"""{name: colour} on dark paper."""

SCHEMES = {"light": LIGHT, "dark": DARK}


def variables(scheme: dict[str, str]) -> str:
    """CSS declarations `--c1: #3567d6; ...`."""
    return " ".join(f"--{name}: {colour};" for name, colour in scheme.items())
