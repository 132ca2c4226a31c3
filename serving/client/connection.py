"""The seam between a Scorer and whoever runs the artifact for it: this process, servers, or a test's own.

Those that there are stand in serving/client/connections/; `Scorer(..., connection=...)` takes any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from artifact.arrays import AnyArray
from artifact.model.manifest import Manifest
from serving.client.timings import Timings

Outputs = dict[str, npt.NDArray[np.float32]]

Feeds = Mapping[str, AnyArray]
"""{input: uint8 [N, H, W, 3], or of what an artifact takes beside images or in their place float32 [N, ...]}."""


def num_images(feeds: Mapping[str, Sequence[Any] | AnyArray], manifest: Manifest) -> int:
    """Images in the feeds of a call, or rows of an artifact that takes none."""
    return sum(len(feeds[name]) for name in manifest.image_inputs or feeds)


class Connection(Protocol):
    """One version of one model, ready to run; its methods may be called from several threads at a time.

    Attributes:
        model: name under which it was asked for.
        version: the version that answers.
        digest: key of the artifact that answers.
        manifest: what the artifact says about itself; may lack golden examples.
        is_local: it runs on cores of this process, a batch on each.
        max_rows: rows that one call may have; None for any number.
        in_flight: calls at a time that keep it busy.
        timings: are told of every answered batch.
    """

    model: str
    version: int
    digest: str
    manifest: Manifest
    is_local: bool
    max_rows: int | None
    in_flight: int
    timings: Timings

    def states(self) -> dict[str, str]:
        """{HOST:PORT: "answers", or why it does not}; none in this process."""
        ...

    def takes_encoded(self) -> bool:
        """Whether `run_encoded` can be used; False where nobody can say."""
        ...

    def run_pixels(self, feeds: Feeds) -> Outputs:
        """Run {input: uint8 [N, H, W, 3]}; gives {embedding output: float32 [N, n]}, further outputs if it likes.

        A region artifact takes `boxes` float32 [N, R, 4] beside, and gives float32 [N, R, n]; an artifact of attributes
        takes `attributes` float32 [N, A] in the place of pixels; one of detections must give all its outputs.

        Raises:
            ServerError: not reached, too late, refused, or another version answered.
        """
        ...

    def run_encoded(self, feeds: Mapping[str, Any]) -> Outputs:
        """Run {input: N encoded images}, and what goes beside them; result as `run_pixels`.

        Raises:
            BadImagesError: some cannot be read; nothing was run.
            ServerError: as `run_pixels`.
        """
        ...

    def confirm(self) -> None:
        """Raise ServerError unless the artifact that answers is still the one of `digest`."""
        ...

    def close(self) -> None:
        """Cancel what is running and let go; calls in other threads end with an error."""
        ...
