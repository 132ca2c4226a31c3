"""Small plots as inline SVG: axes, lines, areas, points; who draws gives the numbers, the page gives the colours.

Decision a reader would question: written by hand, not by matplotlib. Inline SVG takes its colours and type sizes from
the page, so one drawing serves light and dark schemes and phones; points say what they are when pointed at; a curve is
3 kB where matplotlib's is 30; equal numbers give equal bytes; and training needs no further library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from artifact.errors import printable

WIDTH, HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 12, 12, 36

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction of a plot: its range, the ticks in it, and whether its steps are factors."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: str = ""
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value stands between the ends, in [0, 1]; values beyond an end stand at it."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, low))
        return min(1.0, max(0.0, (at - low) / (high - low)))


def axis(values: Sequence[float], *, label: str = "", from_zero: bool = False, whole: bool = False) -> Axis:
    """An axis that holds all finite values, with round ticks; never of length 0.

    Args:
        values: may be empty.
        label: what the numbers are.
        from_zero: start at 0 where no value is below it.
        whole: ticks at whole numbers only.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if from_zero:
        low = min(low, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        pad = abs(high) * 0.5 or 0.5
        low, high = (low if from_zero and low == 0 else low - pad), high + pad
    step = _round_step((high - low) / 5)
    if whole:
        step = max(1.0, math.ceil(step))
    else:
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(low=low, high=high, ticks=tuple(number * step for number in range(first, last + 1)), label=label)


def log_axis(low: float, high: float, *, label: str = "") -> Axis:
    """Factors of ten from `low` to `high`, both above 0."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    ticks = tuple(10.0**power for power in range(first, last + 1))
    return Axis(low=ticks[0], high=ticks[-1], ticks=ticks, label=label, log=True)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... at or above a step."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def number(value: float) -> str:
    """A number as a tick or a title shows it: at most four digits that count."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    if abs(value) >= 10_000 or abs(value) < 1e-4:
        return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


@dataclass(kw_only=True)
class Plot:
    """A drawing between two axes; each method adds to it, `svg` is the whole.

    Colours are names of CSS classes (`c1` to `c10`, `same`, `other`, `muted`), which the page defines.
    """

    x: Axis
    y: Axis
    title: str
    width: int = WIDTH
    height: int = HEIGHT
    frame: bool = True
    parts: list[str] = field(default_factory=list)

    def at(self, point: Point) -> tuple[str, str]:
        """Coordinates in the drawing, rounded to a tenth of a pixel."""
        left, right, top, bottom = (_LEFT, _RIGHT, _TOP, _BOTTOM) if self.frame else (8, 8, 8, 8)
        x = left + self.x.share(point[0]) * (self.width - left - right)
        y = self.height - bottom - self.y.share(point[1]) * (self.height - top - bottom)
        return f"{x:.1f}".removesuffix(".0"), f"{y:.1f}".removesuffix(".0")

    def line(self, points: Sequence[Point], colour: str, *, dashed: bool = False) -> None:
        """Straight pieces; a value that is not finite leaves a gap."""
        for piece in _pieces(points):
            path = "M" + "L".join(",".join(self.at(point)) for point in piece)
            self.parts.append(f'<path class="line {colour}{" dashed" if dashed else ""}" d="{path}"/>')

    def area(self, upper: Sequence[Point], lower: Sequence[Point], colour: str) -> None:
        """The space between two lines of equal length."""
        path = "L".join(",".join(self.at(point)) for point in [*upper, *reversed(lower)])
        self.parts.append(f'<path class="area {colour}" d="M{path}Z"/>')

    def dots(self, points: Sequence[Point], colour: str, titles: Sequence[str], *, radius: float = 3) -> None:
        """Points that say their title when pointed at."""
        for point, title in zip(points, titles, strict=True):
            if math.isfinite(point[0]) and math.isfinite(point[1]):
                (x, y), said = self.at(point), f"<title>{_marked(title)}</title>"
                self.parts.append(f'<circle class="{colour}" cx="{x}" cy="{y}" r="{radius:g}">{said}</circle>')

    def rule(self, x: float, text: str) -> None:
        """A dashed vertical line at `x` with a word beside it, on the side where there is room."""
        at, top = self.at((x, self.y.high))
        self.parts.append(f'<path class="rule" d="M{at},{top}V{self.at((x, self.y.low))[1]}"/>')
        right = self.x.share(x) < 0.6
        anchor, shift = ("start", 5) if right else ("end", -5)
        self.parts.append(
            f'<text x="{float(at) + shift:g}" y="{float(top) + 10:g}" text-anchor="{anchor}" '
            f'class="word">{_marked(text)}</text>'
        )

    def word(self, point: Point, text: str, *, shift: Point = (0, 0)) -> None:
        """Text with its middle at a point, `shift` in pixels; legible over whatever it covers."""
        x, y = (float(value) + move for value, move in zip(self.at(point), shift, strict=True))
        self.parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="middle" class="word">{_marked(text)}</text>')

    def svg(self) -> str:
        """The drawing as one SVG element."""
        inside = [*(self._axes() if self.frame else ()), *self.parts]
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{_marked(self.title)}">'
            + "".join(inside)
            + "</svg>"
        )

    def _axes(self) -> list[str]:
        parts = []
        right, bottom = self.width - _RIGHT, self.height - _BOTTOM
        for tick in self.y.ticks:
            y = self.at((self.x.low, tick))[1]
            parts.append(f'<path class="grid" d="M{_LEFT},{y}H{right}"/>')
            parts.append(
                f'<text class="tick" x="{_LEFT - 6}" y="{y}" dy=".35em" text-anchor="end">{number(tick)}</text>'
            )
        parts.append(f'<path class="base" d="M{_LEFT},{bottom}H{right}"/>')
        for tick in self.x.ticks:
            x = self.at((tick, self.y.low))[0]
            parts.append(f'<text class="tick" x="{x}" y="{bottom + 14}" text-anchor="middle">{number(tick)}</text>')
        middle = (_LEFT + right) / 2
        parts.append(
            f'<text class="tick" x="{middle:g}" y="{self.height - 5}" text-anchor="middle">'
            f"{_marked(self.x.label)}</text>"
        )
        return parts


def _marked(text: str) -> str:
    """Text inside an SVG, which knows no control characters, escaped or not."""
    return escape(printable(text))


def _pieces(points: Sequence[Point]) -> list[list[Point]]:
    pieces: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point[0]) and math.isfinite(point[1]):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]
