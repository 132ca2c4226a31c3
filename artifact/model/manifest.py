"""The manifest: everything an artifact says about itself, as canonical JSON whose SHA-256 is the artifact's digest.

Canonical means: keys sorted, no spaces, UTF-8, no NaN, floats as Python's shortest repr. The digest is taken over the
canonical bytes without the `digest` key itself, so a manifest alone proves that none of its bytes changed. Fields that
a later version adds are kept as they are (`extra="allow"`), so an older reader still computes the same digest.
docs/artifact-format.md describes every field and every byte.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from artifact.attributes import Attributes
from artifact.dims import as_dims
from artifact.distances import DISTANCES
from artifact.errors import ArtifactError
from artifact.images.preprocessing import Preprocessing
from artifact.kinds import BRANCH_INPUT, KINDS
from artifact.model.parts import Content, Golden, Prefix
from artifact.modes import BRANCH, DETECTIONS, MODES, OF_ATTRIBUTES, TOWERS, Tensor, Widths, image_names
from artifact.prefixes import require_promised

FORMAT_VERSION = 1
ENGINE = "onnx"
OPSET = 20
"""What our graphs are written in; an adopted one may be of a later one."""


class Manifest(BaseModel):
    """The facts that an artifact carries of itself; docs/artifact-format.md says what each of them means."""

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
    quantization: dict[str, Any] | None = None
    opset: int
    space: str
    content: Content
    golden: Golden | None = None
    prefixes: list[Prefix] = Field(default_factory=list)
    attributes: list[dict[str, Any]] = Field(default_factory=list)
    detections: int | None = None
    digest: str = ""

    @model_serializer(mode="wrap")
    def _without_what_it_lacks(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What an artifact has none of it does not name, to the byte as before there were any."""
        absent = {name for name in ("prefixes", "attributes") if not getattr(self, name)}
        absent |= {"detections"} if self.detections is None else set()
        return {name: value for name, value in dump(self).items() if name not in absent}

    @model_validator(mode="after")
    def _known_words(self) -> Manifest:
        if self.format_version > FORMAT_VERSION:
            raise ValueError(f"format version {self.format_version} is newer than {FORMAT_VERSION}; upgrade lookalike")
        if self.format_version < 1:
            raise ValueError(f"format version {self.format_version}: expected at least 1")
        for word, known in ((self.kind, KINDS), (self.mode, MODES), (self.distance, DISTANCES)):
            if word not in known:
                raise ValueError(f"unknown word {word!r}, expected one of {', '.join(known)}")
        if tuple(self.streams) != KINDS[self.kind].streams:
            raise ValueError(f"streams of a {self.kind}: expected {', '.join(KINDS[self.kind].streams)}")
        sizes = [self.preprocessing.get(side) for side in ("height", "width")]
        if self.image_inputs and not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ValueError("preprocessing: expected height and width in pixels")
        if self.attribute_set is None and self.mode in OF_ATTRIBUTES:
            raise ValueError(f"attributes: expected at least one in mode {self.mode}")
        if (self.mode == DETECTIONS) != (self.detections is not None) or (self.detections or 1) < 1:
            raise ValueError(f"detections: {self.detections!r} in mode {self.mode}")
        dims = self.promised
        if list(dims) != sorted(set(dims)) or any(each >= self.embedding_dim for each in dims):
            raise ValueError(f"prefixes: expected ascending dims below {self.embedding_dim}, got {list(dims)}")
        return self

    @property
    def promised(self) -> tuple[int, ...]:
        """Numbers of each prefix of a vector that is a vector too, ascending; none in most artifacts."""
        return tuple(prefix.dims for prefix in self.prefixes)

    def cut(self, dims: int | None) -> Manifest:
        """The facts of the first `dims` numbers of its vectors: their width and their threshold, and shorter prefixes.

        It is for those who read vectors, never for a file: the digest is the artifact's. None, and its own width, give
        the manifest as it is.

        Raises:
            UsageError: it promises no such prefix, or `dims` is no whole number.
        """
        if dims is None:
            return self
        where = f"artifact {self.name}"
        dims = as_dims(dims, where=where)
        if dims == self.embedding_dim:
            return self
        require_promised(dims, self.promised, whole=self.embedding_dim, where=where)
        at = self.promised.index(dims)
        changed = {"embedding_dim": dims, "threshold": self.prefixes[at].threshold, "prefixes": self.prefixes[:at]}
        return self.model_copy(update={**changed, "golden": None})

    @property
    def attribute_set(self) -> Attributes | None:
        """The attributes of the run's attribute tower, also where this is the artifact of its images; None without one.

        Raises:
            ValueError: what stands there is none; a manifest that was read holds sound ones.
        """
        if not self.attributes:
            return None
        try:
            return Attributes.from_dict(self.attributes)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"attributes: {error!r}") from None

    @property
    def pixels(self) -> Preprocessing:
        """The preprocessing as the object that `load_pixels` takes.

        Raises:
            ArtifactError: a way of preprocessing that this version cannot reproduce, or an artifact that takes none.
        """
        if not self.image_inputs:
            expected, mend = "images as its input", "its rows are encoded by the attributes in its manifest"
            raise ArtifactError("preprocessing", expected=expected, got=self.mode, where=self.name, mend=mend)
        try:
            return Preprocessing.from_dict(self.preprocessing)
        except (TypeError, ValueError) as error:
            raise ArtifactError(
                "the artifact's preprocessing", got=str(error), where=self.name, mend="upgrade lookalike"
            ) from None

    @property
    def signature(self) -> dict[str, Any]:
        """The facts that all versions of a model share: the repository has one config and one NAME_decode for all.

        The colour that fit="pad" fills with follows from the mean, which is otherwise a version's own affair: it is
        applied inside the graph. With another colour, NAME_decode would feed a rolled-back version other pixels.
        """
        signature: dict[str, Any] = {"kind": self.kind, "mode": self.mode, "embedding_dim": self.embedding_dim}
        signature |= {"distance": self.distance}
        if self.mode in OF_ATTRIBUTES and self.attribute_set is not None:
            signature |= {"attributes": self.attribute_set.signature}
        if not self.image_inputs:
            return signature
        pixels = self.pixels
        signature |= {"height": pixels.height, "width": pixels.width, "fit": pixels.fit}
        signature |= {"resize": pixels.resize, "color": pixels.color}
        if pixels.fit == "pad":
            signature["padding"] = [round(value * 255) for value in pixels.mean]
        if self.detections is not None:
            signature["detections"] = self.detections
        return signature

    @property
    def image_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that take images, in graph order."""
        return image_names(self.kind, self.mode)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the graph takes, in its order."""
        return MODES[self.mode].inputs(self._widths)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What the graph gives, in its order."""
        return tuple(MODES[self.mode].outputs(self._widths))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in graph order."""
        return tuple(tensor.name for tensor in self.outputs)

    @property
    def _widths(self) -> Widths:
        size = {key: self.preprocessing[key] for key in ("height", "width", "color") if key in self.preprocessing}
        return Widths(
            kind=self.kind,
            embedding_dim=self.embedding_dim,
            distance=self.distance,
            attributes=0 if self.attribute_set is None else self.attribute_set.width,
            detections=self.detections or 0,
            **size,
        )

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
    def margin2(self) -> float | None:
        """Second margin of the loss, where it takes one; it stands in `training`, for format 1 has no field for it."""
        return self._of_training("margin2")

    @property
    def cap(self) -> float | None:
        """Largest value of the loss, where it has one; it stands beside the second margin."""
        return self._of_training("cap")

    def _of_training(self, name: str) -> float | None:
        value = self.training.get(name)
        return float(value) if isinstance(value, int | float) else None

    @property
    def is_branch(self) -> bool:
        return self.mode == BRANCH

    @property
    def has_companions(self) -> bool:
        """Whether NAME_decode and NAME_encoded stand beside it."""
        return MODES[self.mode].has_companions

    @property
    def takes_single_images(self) -> bool:
        """Whether a row of it is one image: a branch's, a detector's, and with boxes in it a region artifact's."""
        return self.mode != TOWERS and self.image_inputs == (BRANCH_INPUT,)


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
        is_canonical = canonical_json(fields) == data
    except (ValueError, RecursionError) as error:  # NaN and lone surrogates parse, but cannot be written again
        raise ArtifactError("manifest is not JSON", got=str(error), where=where, mend="export it again") from None
    if not isinstance(fields, dict) or not is_canonical:
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
