"""The form of images on their way to a server: pixels or encoded files, as asked for or as the first batches measure.

Measured where it runs, since nothing else tells: files save the link and this machine's cores, pixels the server's. The
first batches go by turns; a batch's images by the seconds from reading it to its vectors are compared. In doubt pixels:
they need nothing but the network itself on the server, and every answer names its version.
"""

from __future__ import annotations

import statistics
import threading

PIXELS, ENCODED = "pixels", "encoded"
_SAMPLES = 4
_WARM_UP = 1
_CLEARLY_FASTER = 1.2
_LEAST_IMAGES = 4
"""A smaller batch tells nothing of a table."""


class Sending:
    """The form that is sent, or both by turns while they are measured; may be used from several threads at a time.

    Args:
        choice: `pixels` or `encoded`; None to measure.
        why: in words.

    Attributes:
        choice: what is sent; None while it is measured.
        why: in words.
        is_asked: the form was asked for, so nothing else may be sent.
    """

    def __init__(self, choice: str | None, why: str) -> None:
        self.choice, self.why = choice, why
        self.is_asked = choice is not None
        self._rates: dict[str, list[float]] = {PIXELS: [], ENCODED: []}
        self._turns = 0
        self._lock = threading.Lock()

    def next(self, num_images: int) -> str:
        """What to send for a batch of so many images."""
        with self._lock:
            if self.choice is not None:
                return self.choice
            if num_images < _LEAST_IMAGES:
                return PIXELS
            self._turns += 1
            return PIXELS if self._turns % 2 else ENCODED

    def note(self, sent: str, num_images: int, seconds: float) -> None:
        """A batch took so long from reading to its vectors."""
        with self._lock:
            if self.choice is not None or num_images < _LEAST_IMAGES:
                return
            self._rates[sent].append(num_images / max(seconds, 1e-9))
            if min(map(len, self._rates.values())) < _WARM_UP + _SAMPLES:
                return
            pixels, encoded = (statistics.median(self._rates[name][_WARM_UP:]) for name in (PIXELS, ENCODED))
            self.choice = ENCODED if encoded > _CLEARLY_FASTER * pixels else PIXELS
            self.why = f"measured: {encoded / pixels:.2f} times the images a second with encoded files"

    def refuse_encoded(self, reason: str) -> bool:
        """Encoded files were refused, while measuring or later, so pixels it is; False if they were asked for."""
        if self.is_asked:
            return False
        with self._lock:
            self.choice, self.why = PIXELS, f"encoded files were refused: {reason}"
            return True
