"""The parts of a manifest that have fields of their own: content, golden examples, promised prefixes."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

MODEL_FILE = "model.onnx"
"""What Triton calls the file in a version folder; nothing beside it may have this name."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,200}")


class ExternalFile(BaseModel):
    """Hash and size in bytes of a file of weights beside the model."""

    model_config = ConfigDict(frozen=True, extra="allow")

    sha256: str
    size: int = Field(ge=0)


class Content(BaseModel):
    """Hash and size in bytes of the model without its manifest entry, and of each external file by its plain name."""

    model_config = ConfigDict(frozen=True, extra="allow")

    sha256: str
    size: int
    external: dict[str, ExternalFile] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _plain_names(self) -> Content:
        for name in self.external:
            if not is_plain_name(name) or name == MODEL_FILE:
                raise ValueError(f"external file {name!r}: expected a plain file name, other than {MODEL_FILE}")
        return self


class Golden(BaseModel):
    """Example images or rows of attributes and the vectors that they must give.

    `images` are base64 PNG files, `vectors` is base64 of little-endian float32 [images, embedding_dim]; a value may be
    off by `tolerance` x max(1, largest |value|). Stream s of a full artifact takes the images rotated by s places.

    `rows`, base64 of little-endian float32 [rows, A], stand in the place of the images where an artifact takes
    attributes; of one that takes both there are as many of each, and `row_vectors` are those of the rows.

    Of a region artifact `boxes` is base64 of little-endian float32 [images, R, 4], and vectors are [images, R, n]; of
    one of detections they are those that it must find, with `scores` [images, R].
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    images: list[str] = Field(default_factory=list)
    rows: str | None = None
    boxes: str | None = None
    vectors: str
    row_vectors: str | None = None
    scores: str | None = None
    tolerance: float

    @model_serializer(mode="wrap")
    def _without_what_it_lacks(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Golden images alone are written as they were before there was anything else."""
        absent = {name for name in ("rows", "row_vectors", "boxes", "scores") if getattr(self, name) is None}
        absent |= {"images"} if self.rows is not None and not self.images else set()
        return {name: value for name, value in dump(self).items() if name not in absent}


class Prefix(BaseModel):
    """A promise: the first `dims` numbers of each vector are a vector (artifact/prefixes.py), and how good it is.

    `metrics`, `rests_on` and `threshold` have the form of those of the whole vector; None where they were not measured.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    dims: int = Field(ge=1)
    metrics: dict[str, Any] | None = None
    rests_on: dict[str, Any] | None = None
    threshold: dict[str, Any] | None = None
    why_no_threshold: str | None = None


def is_plain_name(name: str) -> bool:
    """Whether a name is that of a file in the same folder on every system: no separators, no drive, no way up."""
    return bool(_PLAIN_NAME.fullmatch(name)) and name not in (".", "..")
