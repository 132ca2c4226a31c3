"""How a table is to be read, where its name does not say it: its format, its objects, the folder of its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from artifact.errors import UsageError

COCO, YOLO = "coco", "yolo"
OBJECT_FORMATS = (COCO, YOLO)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a user says of a table besides its name.

    Attributes:
        format: `coco` or `yolo`; None: by what the file or folder is.
        images: the folder that a COCO file's images are in; None: looked for beside it.
        objects: a row for each object, where the format has them; else one for each image.
    """

    format: str | None = None
    images: str | None = None
    objects: bool = False

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in OBJECT_FORMATS:
            raise UsageError(
                "format of the table",
                expected=f"one of {', '.join(OBJECT_FORMATS)}",
                got=self.format,
                mend="leave it out for all others, which are known by their names",
            )

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads; plain JSON, and nothing that is not said."""
        facts = {"format": self.format, "images": self.images, "objects": self.objects or None}
        return {name: value for name, value in facts.items() if value is not None}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Reading:
        """Read what `to_dict` wrote; what is not known is left out."""
        text = {name: facts[name] for name in ("format", "images") if isinstance(facts.get(name), str)}
        return cls(objects=facts.get("objects") is True, **text)


PLAIN = Reading()
