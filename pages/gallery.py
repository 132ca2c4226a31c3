"""Pages of neighbours: one HTML file with its pictures inside. The demo's page and that of `lookalike search` share it.

Decisions a reader would question:
- Ids are data, so a path in one leads nowhere but into the folder of images: absolute ones and `..` are placeholders.
- Pictures of a search are decoded and shrunk to PICTURE_PX, so a page of photographs stays small, and what the page
  holds is an image and nothing else.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from artifact.atomic import write_atomically
from artifact.preprocessing import ImageError, decode_image
from rows.images import ImageRef

PICTURE_PX = 128
MAX_QUERIES = 200
"""Shown on a page; it says how many more there are."""


def write_page(page: Path, template: str, **values: Any) -> None:
    """Render a template that extends neighbours.html.jinja, everything escaped; raises OutputError."""
    import jinja2

    loader = jinja2.PackageLoader("pages", "")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    write_atomically(page, environment.get_template(template).render(**values).encode())


def write_search_gallery(
    page: Path,
    queries: Sequence[tuple[str, ImageRef]],
    found: Sequence[Sequence[dict[str, Any]]],
    *,
    num_queries: int,
    picture_of: Callable[[str], ImageRef],
    facts: dict[str, Any],
) -> None:
    """A row for each query, its neighbours beside it with their distances; a picture that is not there shows its id.

    Args:
        queries: id and image of each that is shown, MAX_QUERIES at most.
        found: what Index.search gives for them.
        num_queries: how many there are in all.
        picture_of: the image of an id in the index.
        facts: "index", "num_rows", "distance", "lineage" of the index, and "recall": text where it is approximate.

    Raises:
        OutputError: the page cannot be written.
    """
    shown = [
        {
            "id": query,
            "caption": PurePosixPath(query).name,
            "data": thumbnail(image),
            "neighbours": [
                {
                    "id": str(row["id"]),
                    "caption": f"{row['distance']:.4g}",
                    "kind": "near",
                    "data": thumbnail(picture_of(str(row["id"]))),
                }
                for row in rows
            ],
        }
        for (query, image), rows in zip(queries, found, strict=True)
    ]
    write_page(
        page,
        "search_gallery.html.jinja",
        queries=shown,
        left_out=num_queries - len(queries),
        side_px=96,
        rendering="auto",
        **facts,
    )


def image_inside(folder: Path | None, name: str) -> ImageRef:
    """The image of an id that is a path relative to a folder; an empty ref where it leads out of it."""
    path = PurePosixPath(name)
    if folder is None or path.is_absolute() or ".." in path.parts:
        return ImageRef()
    return ImageRef(path=folder / path)


def thumbnail(image: ImageRef) -> str | None:
    """The image as a data URL, at most PICTURE_PX wide and high; None where it cannot be read."""
    from PIL import Image

    try:
        picture = Image.fromarray(decode_image(image.read()))
    except ImageError:
        return None
    small = max(picture.size) <= PICTURE_PX
    picture.thumbnail((PICTURE_PX, PICTURE_PX))
    encoded = io.BytesIO()
    picture.save(encoded, "PNG" if small else "JPEG")
    return data_url(encoded.getvalue(), "png" if small else "jpeg")


def data_url(data: bytes, kind: str) -> str:
    """Encoded image bytes as the address of a picture."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
