"""The foreign network as it came, run by onnxruntime one image at a time: the reference that adoption is held to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.arrays import Vectors
from artifact.errors import ArtifactError, UsageError
from artifact.images.cores import available_cores
from artifact.images.preprocessing import Preprocessing
from artifact.listing import quoted
from export.adoption.foreign import ForeignNetwork
from export.adoption.pooling import DEFAULT_LIMIT, POOLINGS, Pooling, require_poolable, require_within
from export.adoption.reasons import first_line


class Original:
    """The untouched part of the network, as a function of uint8 images.

    Args:
        preprocessing: whose mean and std the network wants; computed here by numpy, not by the graph.
        bgr: the network wants blue first.
        pooling: of a map into the vector, by numpy too.
        limit: numbers of a vector, at most; None: no limit.

    Attributes:
        map_shape: of the value that is pooled, for a batch as the network takes it; None before the first run.

    Raises:
        ArtifactError: onnxruntime cannot load the network, with its reason.
    """

    def __init__(
        self,
        foreign: ForeignNetwork,
        preprocessing: Preprocessing,
        *,
        bgr: bool,
        pooling: Pooling | None = None,
        limit: int | None = None,
    ) -> None:
        self.foreign, self.output, self.preprocessing, self.bgr = foreign, foreign.output, preprocessing, bgr
        self.pooling, self.limit = pooling, limit
        self.map_shape: tuple[int, ...] | None = None
        self._session = load_session(foreign.model.SerializeToString(), foreign)

    def run(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        """Vectors [N, n] of uint8 [N, H, W, 3].

        Raises:
            ArtifactError: the network does not run, or its value is not one finite vector an image.
        """
        return np.concatenate([self._vector(image[None]) for image in pixels])

    def _vector(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        batch = self.foreign.image.batch or 1
        value = self._values(pixels)[self.output]
        if self.pooling is not None:
            value = self._pooled(value, self.pooling, batch)
        self._require_vector(value, batch)
        vector = np.asarray(value, np.float32).reshape(batch, -1)[:1]
        if not np.isfinite(vector).all():
            raise ArtifactError(
                f"output {self.output!r} is not finite on a picture",
                got=f"{int((~np.isfinite(vector)).sum())} of {vector.size} values NaN or infinite",
                where=self.foreign.path,
                mend="check --mean and --std; if they are right, the network is not",
            )
        return vector

    def _values(self, pixels: npt.NDArray[np.uint8]) -> dict[str, Any]:
        """{output: what it is} of uint8 [1, H, W, 3]; a network of a fixed batch is given it as often."""
        spec, image = self.preprocessing, self.foreign.image
        planes = (pixels.astype(np.float64) / 255 - np.asarray(spec.mean)) / np.asarray(spec.std)
        with np.errstate(over="ignore"):  # a std near 0: the infinite vector is refused below
            fed = image.arrange(planes[..., ::-1] if self.bgr else planes)
        names = [output.name for output in self.foreign.model.graph.output]
        try:
            values = self._session.run(names, {image.name: np.repeat(fed, image.batch or 1, axis=0)})
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ArtifactError(
                f"the network does not run on an image of {spec.width}x{spec.height} px",
                got=first_line(error),
                where=self.foreign.path,
                mend="try another --size" + ("" if image.batch else ", or export it again with a batch of 1"),
            ) from None
        return dict(zip(names, values, strict=True))

    def _pooled(self, value: Any, pooling: Pooling, batch: int) -> Vectors:
        if value.dtype not in (np.float32, np.float16) or value.ndim == 0 or value.shape[0] != batch:
            self._require_vector(value, batch)
        limit = DEFAULT_LIMIT if self.limit is None else self.limit
        require_poolable(pooling, value.shape, limit, output=self.output, where=self.foreign.path)
        self.map_shape = value.shape
        return pooling.of_map(value.astype(np.float32))

    def _require_vector(self, value: Any, batch: int) -> None:
        long_axes = [size for size in value.shape[1:] if size > 1]
        if value.dtype in (np.float32, np.float16) and value.ndim >= 2 and value.shape[0] == batch:
            if len(long_axes) <= 1:
                if self.limit is not None:
                    what, mend = f"output {self.output!r}", "raise --limit, or name a layer of fewer channels"
                    require_within(value.size // batch, self.limit, what, where=self.foreign.path, mend=mend)
                return
            near = quoted([name for name in self.foreign.pooled if name != self.output][-3:])
            mend = f"name a pooled value with --output, such as {near}" if near else "export it with its pooling"
            if value.ndim == 4:
                mend = f"pool it with --pool {POOLINGS}" + (f", or {mend}" if near else "")
        else:
            mend = "name another value with --output"
        raise UsageError(
            f"output {self.output!r}",
            expected=f"one float vector an image, [{batch}, n] or [{batch}, n, 1, 1]",
            got=f"{value.dtype} {list(value.shape)}",
            where=self.foreign.path,
            mend=mend,
        )


def load_session(model: bytes, foreign: ForeignNetwork) -> Any:
    """An onnxruntime session over a graph in memory; raises ArtifactError with onnxruntime's reason."""
    import onnxruntime  # 0.2 s: only where a session is made

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters arrives as an exception
    try:
        # without the fallback, which prints to stdout and tries the same provider again
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # as above: no public base class
        raise ArtifactError("onnxruntime cannot load the network", got=first_line(error), where=foreign.path) from None
