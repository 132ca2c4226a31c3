"""A map of vectors as a picture (PNG, SVG) or as one page (HTML), all with the same points, colours and legend."""

from __future__ import annotations

from pathlib import Path

from artifact.errors import UsageError
from pages.drawn_map import PICTURE_PX, Map, picture_rows
from pages.map_png import write_png
from pages.map_svg import map_svg, write_svg
from pages.page import write_page

__all__ = ["MAP_SUFFIXES", "PICTURE_PX", "Map", "picture_rows", "require_map_suffix", "write_map"]

MAP_SUFFIXES = (".png", ".svg", ".html")


def write_map(path: Path, drawn: Map, *, is_dark: bool = False) -> None:
    """Write a map in the format that the file's suffix names, whole or not at all.

    Args:
        path: of MAP_SUFFIXES.
        is_dark: of a PNG: on dark paper. The others follow whoever looks at them.

    Raises:
        UsageError: another suffix. OutputError: the file cannot be written.
    """
    require_map_suffix(path)
    match path.suffix.lower():
        case ".png":
            write_png(path, drawn, is_dark=is_dark)
        case ".svg":
            write_svg(path, drawn)
        case _:
            write_page(
                path,
                "map.html.jinja",
                heading=drawn.heading,
                about=drawn.about,
                colouring=drawn.colouring,
                legend=drawn.legend,
                svg=map_svg(drawn),
            )


def require_map_suffix(path: Path) -> None:
    """Raise UsageError unless the file's suffix is one of MAP_SUFFIXES."""
    if path.suffix.lower() not in MAP_SUFFIXES:
        raise UsageError("output", expected=f"a file that ends in {', '.join(MAP_SUFFIXES)}", got=str(path))
