"""Icons: one meaning drawn by several artists, in black on white, half of the meanings never trained on.

Eight sets of icons of Iconify; a class is a name that at least four of them have ("arrow-left", "camera"). Outlines and
filled drawings are mixed as they come. Licences: MIT (tabler, ph, ion, bi, heroicons), ISC (lucide), Apache-2.0 (mdi,
carbon). Half of the names, by their hash, are never trained on.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from benchmarks.sets.made_once import CACHE, made_once
from lookalike.demo.emoji import is_held_out, to_svg
from lookalike.demo.emoji_packages import Package, fetch, read_json

PACKAGES = tuple(
    Package(name=name, version=version, integrity=integrity)
    for name, version, integrity in (
        (
            "tabler",
            "1.2.41",
            "GHg+H/cnr0anaCoV383JONiOMxZQOdojWYNLgL3x0fRE07YW7c+AHiYmIhXet//oq26T830qitdP7l43ojiCXw==",
        ),
        (
            "lucide",
            "1.2.137",
            "uKz1+tFbv1RFX/mJQNksdnyKJijNfRGSNnxfiyKtr+dLNfA3ERph+IgpXClKGOlV/5GsZwLv2jgJXQ/bjF/JAg==",
        ),
        ("ph", "1.2.2", "PgkEZNtqa8hBGjHXQa4pMwZa93hmfu8FUSjs/nv4oUU6yLsgv+gh9nu28Kqi8Fz9CCVu4hj1MZs9/60J57IzFw=="),
        ("mdi", "1.2.3", "O3cLwbDOK7NNDf2ihaQOH5F9JglnulNDFV7WprU2dSoZu3h3cWH//h74uQAB87brHmvFVxIOkuBX2sZSzYhScg=="),
        (
            "carbon",
            "1.2.29",
            "whk3BOU2jXFtweigCrrrYXT7NzWXGUT1q268vEnySzhfdnwZhQhVlFjhkgZH86JRRx21/CziTmzpAJMe5V2yKQ==",
        ),
        ("ion", "1.2.7", "ZJNG5kLCbTPr68mdP0jx6Q3lB9AMEQKO2+VvIjuJ2llGFICBLD+cvESn/qGDRIqSfk2D3PrFMf/Qg8WKIUV7cg=="),
        ("bi", "1.2.7", "IPz8WNxmLkH1I9msl+0Q4OnmjjvP4uU0Z61a4i4sqonB6vKSbMGUWuGn8/YuuszlReVj8rf+3gNv5JU8Xoljyg=="),
        (
            "heroicons",
            "1.2.3",
            "n+vmCEgTesRsOpp5AB5ILB6srsgsYK+bieoQBNlafvoEhjVXLq8nIGN4B0v/s4DUfa0dOrjwE/cKJgIKdJXOEg==",
        ),
    )
)
MIN_DRAWINGS, SIDE_PX = 4, 96
_STYLES = (
    "-outline",
    "-line",
    "-regular",
    "-sharp",
    "-fill",
    "-filled",
    "-solid",
    "-bold",
    "-light",
    "-thin",
    "-duotone",
)


def prepare_icons() -> tuple[Path, Path]:
    """Folders of the meanings to train on and of those never seen, one class folder of drawings each."""
    return made_once(f"icons-{MIN_DRAWINGS}-{SIDE_PX}", _write)


def _write(train: Path, unseen: Path) -> None:
    import resvg_py

    drawings: dict[str, dict[str, str]] = defaultdict(dict)
    for package in PACKAGES:
        icons = read_json(fetch(package, CACHE), "icons.json")
        for icon in sorted(icons["icons"]):
            if not icon.endswith(_STYLES) and not icon[-1].isdigit():
                drawings[icon][package.name] = to_svg(icons, icon).replace("currentColor", "#000000")
    for name, by_set in sorted(drawings.items()):
        pictures = {
            resvg_py.svg_to_bytes(
                svg_string=svg, width=SIDE_PX, height=SIDE_PX, background="#ffffff", skip_system_fonts=True
            ): which
            for which, svg in by_set.items()
        }
        if len(pictures) < MIN_DRAWINGS:
            continue
        target = (unseen if is_held_out(name) else train) / name
        target.mkdir(parents=True)
        for png, which in pictures.items():
            (target / f"{which}.png").write_bytes(png)
