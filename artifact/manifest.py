"""The manifest: everything an artifact says about itself, as canonical JSON whose SHA-256 is the artifact's digest.

Canonical means: keys sorted, no spaces, UTF-8, no NaN, floats as Python's shortest repr. The digest is taken over the
canonical bytes without the `digest` key itself, so a manifest alone proves that none of its bytes changed. Fields that
a later version adds are kept as they are (`extra="allow"`), so an older reader still computes the same digest.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from artifact.distances import DISTANCES
from artifact.errors import ArtifactError
from artifact.kinds import BRANCH, KINDS, MODES, input_names, output_widths
from artifact.preprocessing import Preprocessing

FORMAT_VERSION = 1
ENGINE = "onnx"


class Content(BaseModel):
    """Hash and size in bytes of the model without its manifest entry, and of each external file by name."""

    model_config = ConfigDict(frozen=True, extra="allow")

    sha256: str
    size: int
    external: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Golden(BaseModel):
    """Example images and the vectors that they must give.

    `images` are base64 PNG files, `vectors` is base64 of little-endian float32 [images, embedding_dim]; a value may be
    off by `tolerance` x max(1, largest |value|). Stream s of a full artifact takes the images rotated by s places.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    images: list[str]
    vectors: str
    tolerance: float


class Manifest(BaseModel):
    """What an artifact says about itself; see DESIGN's "The artifact, to the byte" in docs/artifact-format.md."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    format_version: int = FORMAT_VERSION
    name: str
    kind: str
    mode: str
    streams: list[str]
    embedding_dim: int = Field(ge=1)
    distance: str
    normalized: bool
    margin: float | None
    loss: str | None = None
    preprocessing: dict[str, Any]
    threshold: dict[str, Any] | None
    base: dict[str, Any]
    training: dict[str, Any]
    precision: str
    opset: int
    space: str
    content: Content
    golden: Golden | None = None
    digest: str = ""

    @model_validator(mode="after")
    def _known_words(self) -> Manifest:
        if self.format_version > FORMAT_VERSION:
            raise ValueError(f"format version {self.format_version} is newer than {FORMAT_VERSION}; upgrade lookalike")
        for word, known in ((self.kind, KINDS), (self.mode, MODES), (self.distance, DISTANCES)):
            if word not in known:
                raise ValueError(f"unknown word {word!r}, expected one of {', '.join(known)}")
        return self

    @property
    def pixels(self) -> Preprocessing:
        """The preprocessing as the object that `load_pixels` takes."""
        return Preprocessing.from_dict(self.preprocessing)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the image inputs, in graph order."""
        return input_names(self.kind, self.mode)

    @property
    def outputs(self) -> dict[str, int]:
        """Names of the outputs in graph order, with their width."""
        return output_widths(self.kind, self.mode, self.embedding_dim)

    @property
    def created(self) -> str:
        """End of training, ISO 8601: export adds no clock of its own, so the same run gives the same bytes."""
        return str(self.training.get("end_time", ""))

    def sealed(self) -> Manifest:
        """This manifest with its digest computed."""
        fields = self.model_dump(mode="json") | {"digest": ""}
        return self.model_validate(fields | {"digest": digest_of(fields)})

    def to_bytes(self) -> bytes:
        """Canonical JSON, as it stands in the file."""
        return canonical_json(self.model_dump(mode="json"))

    def summary(self) -> dict[str, Any]:
        """The manifest without its golden examples: what the repository's config carries."""
        return self.model_dump(mode="json", exclude={"golden"})

    @property
    def is_branch(self) -> bool:
        return self.mode == BRANCH


def canonical_json(fields: dict[str, Any]) -> bytes:
    """One byte string for one content: sorted keys, no spaces, UTF-8, NaN refused."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(fields: dict[str, Any]) -> str:
    """SHA-256, in hex, of the canonical manifest without its `digest`."""
    return hashlib.sha256(canonical_json({key: value for key, value in fields.items() if key != "digest"})).hexdigest()


def parse_manifest(data: bytes, *, where: object) -> Manifest:
    """Read canonical bytes; raises ArtifactError if a byte of them changed or a field is missing or unknown."""
    try:
        fields = json.loads(data)
    except ValueError as error:
        raise ArtifactError("manifest is not JSON", got=str(error), where=where, mend="export it again") from None
    if not isinstance(fields, dict) or canonical_json(fields) != data:
        raise ArtifactError("manifest is not canonical: it was edited or damaged", where=where, mend="export it again")
    expected = digest_of(fields)
    if fields.get("digest") != expected:
        raise ArtifactError(
            "manifest does not match its digest: it was edited or damaged",
            expected=expected,
            got=str(fields.get("digest")),
            where=where,
            mend="export it again",
        )
    return manifest_from_fields(fields, where=where)


def manifest_from_fields(fields: dict[str, Any], *, where: object) -> Manifest:
    """Validate the fields of a manifest (also one without goldens); raises ArtifactError naming the field."""
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise ArtifactError(f"manifest field {field!r}", got=str(first["msg"]), where=where) from None
