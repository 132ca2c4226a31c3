"""How many labels are wrong, read off the odds of planted errors, and whether anything can be read off them at all.

Where E_p of the planted errors and E_u of all labels lie above some threshold, the share that is wrong is E_u / E_p at
most, were the real errors like the planted ones; the least of these is taken (Blanchard, Lee, Scott 2010,
"Semi-supervised novelty detection").

Decisions a reader would question:
- It is an estimate and no bound: too high where classes are small or alike, for right labels look wrong there too; too
  low where the real errors are harder to see than the planted ones.
- Planted errors that are nowhere twice as frequent as labels are, with more certainty than chance has, tell nothing.
  Either most labels are wrong or the vectors have nothing to do with them, and of these two the ratio is the same.
"""

from __future__ import annotations

import numpy as np

from artifact.arrays import Indices, Numbers

MOST_WRONG = 0.5
"""Of the labels: where it may be more, nothing is told."""

_QUANTILES = np.linspace(0.2, 0.9, 15)
"""Of the planted errors, where thresholds are tried."""

_STANDARD_ERRORS = 2.0
"""By which both shares may be off: of 10 to 1,000 vectors without a meaning one set in a hundred passes."""


def share_wrong(log_odds: Numbers, planted: Numbers) -> float:
    """The share of the labels that is wrong, about, were the errors like the planted ones.

    Args:
        log_odds: float64 [M], of all labels.
        planted: float64 [m], of planted errors; at least one.
    """
    found, above = _shares_above(log_odds, planted)
    return float(min(1.0, (above / found).min()))


def stand_out(log_odds: Numbers, planted: Numbers) -> bool:
    """Whether the planted errors tell anything of these labels; see the module's text."""
    if not len(planted):
        return False
    found, above = _shares_above(log_odds, planted)
    num_different = min(len(planted), len(log_odds))  # in small sets the same rows are planted again and again
    found = found - _STANDARD_ERRORS * np.sqrt(found * (1 - found) / num_different)
    above = above + _STANDARD_ERRORS * np.sqrt(above * (1 - above) / len(log_odds))
    return bool((above < MOST_WRONG * found).any())


def _shares_above(log_odds: Numbers, planted: Numbers) -> tuple[Numbers, Numbers]:
    """Shares of the planted errors and of all labels that lie above thresholds: float64 [thresholds] each."""
    thresholds = np.quantile(planted, _QUANTILES)
    found = (planted[:, None] >= thresholds).mean(axis=0)
    num_above: Indices = len(log_odds) - np.searchsorted(np.sort(log_odds), thresholds, side="left")
    return found, (num_above + 1) / (len(log_odds) + 1)  # none of a hundred above it does not tell that none ever is
