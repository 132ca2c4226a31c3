"""A map as an SVG: inside a page, and as a file of its own that follows whoever looks at it, light or dark."""

from __future__ import annotations

from html import escape
from pathlib import Path

from artifact.atomic import write_atomically
from artifact.errors import printable
from pages.colouring import shorten
from pages.drawn_map import AROUND, HEAD, HEIGHT, LEGEND, PICTURE_PX, WIDTH, Map
from pages.mosaic import EDGE, SIDE
from pages.palette import DARK, LIGHT, PAINTED, STEPS, variables
from pages.pictures import small_picture
from pages.scatter import scatter_plot


def map_svg(drawn: Map) -> str:
    """The points, with words or with pictures, as one SVG element."""
    plot = scatter_plot(
        drawn.places,
        drawn.colouring,
        drawn.titles,
        title=drawn.heading,
        before=drawn.before,
        is_equal=True,
        has_words=drawn.pictures is None,
        width=WIDTH,
        height=HEIGHT,
    )
    plot.parts += _svg_pictures(drawn)
    return plot.svg()


def _svg_pictures(drawn: Map) -> list[str]:
    parts = []
    for row, left, top in drawn.shown:
        assert drawn.pictures is not None
        colour = drawn.colour_of(row)
        data = small_picture(drawn.pictures[row], PICTURE_PX)
        at = [
            f'x="{left + edge:g}" y="{top + edge:g}" width="{SIDE - 2 * edge}" height="{SIDE - 2 * edge}"'
            for edge in (1, EDGE)
        ]
        said = f"<title>{_xml(drawn.titles[row])}</title>" if drawn.titles is not None else ""
        parts.append(f'<rect class="{colour}" {at[0]}/><image {at[1]} href="{data}">{said}</image>')
    return parts


def write_svg(path: Path, drawn: Map) -> None:
    """The whole, with its legend; raises OutputError."""
    width, height = WIDTH + LEGEND + AROUND, HEIGHT + HEAD + AROUND
    inner = map_svg(drawn).replace("<svg ", f'<svg x="0" y="{HEAD}" width="{WIDTH}" height="{HEIGHT}" ', 1)
    painted = "".join(f".{name} {{ fill: var(--{name}); }}" for name in (*PAINTED, *STEPS))
    style = (
        f":root {{ {variables(LIGHT)} }} @media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}"
        f"{painted} .paper {{ fill: var(--paper); }} .point {{ fill-opacity: .6; }} .on-dark {{ display: none; }}"
        " @media (prefers-color-scheme: dark) { .on-light { display: none; } .on-dark { display: inline; } }"
        " text { font: 14px system-ui, sans-serif; fill: var(--ink); } .head { font-size: 20px; font-weight: 600; }"
        " rect { shape-rendering: crispEdges; }"
        " .quiet { fill: var(--quiet); } .word { font-size: 16px; font-weight: 600; paint-order: stroke;"
        " stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<style>{style}</style><rect class="paper" width="{width}" height="{height}"/>',
        f'<text class="head" x="{AROUND}" y="28">{_xml(drawn.heading)}</text>',
        f'<text class="quiet" x="{AROUND}" y="50">{_xml(drawn.about)}</text>',
        inner,
        *_svg_legend(drawn),
        "</svg>\n",
    ]
    write_atomically(path, "".join(parts).encode("utf-8", errors="replace"))


def _svg_legend(drawn: Map) -> list[str]:
    left, y, parts = WIDTH + AROUND, HEAD + 14, []
    if drawn.colouring.about:
        parts.append(f'<text class="quiet" x="{left}" y="{y}">{_xml(shorten(drawn.colouring.about, 28))}</text>')
        y += 24
    if drawn.colouring.ends:
        step = (LEGEND - 2 * AROUND) / len(STEPS)
        for number, name in enumerate(STEPS):
            parts.append(
                f'<rect class="{name}" x="{left + number * step:g}" y="{y - 11}" width="{step:g}" height="12"/>'
            )
        low, high = drawn.colouring.ends
        parts.append(f'<text x="{left}" y="{y + 18}">{_xml(low)}</text>')
        parts.append(f'<text x="{left + LEGEND - 2 * AROUND}" y="{y + 18}" text-anchor="end">{_xml(high)}</text>')
        y += 44
    for colour, name, count in drawn.legend:
        parts.append(f'<circle class="{colour}" cx="{left + 6}" cy="{y - 5}" r="6"/>')
        parts.append(f'<text x="{left + 20}" y="{y}">{_xml(name)} <tspan class="quiet">{_xml(count)}</tspan></text>')
        y += 22
    return parts


def _xml(text: str) -> str:
    return escape(printable(text))
