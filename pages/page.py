"""One HTML file from a template of this folder, pictures inside, everything escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from artifact.atomic import write_atomically
from pages.palette import PAINTED, SCHEMES, STEPS, variables


def write_page(page: Path, template: str, **values: Any) -> None:
    """Render a template that extends base.html.jinja, and write the page whole or not at all.

    Raises:
        OutputError: the page cannot be written.
    """
    write_atomically(page, render_page(template, **values).encode("utf-8", errors="replace"))


def render_page(template: str, **values: Any) -> str:
    """A template of this folder as HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pages", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    schemes = {name: variables(scheme) for name, scheme in SCHEMES.items()}
    environment.globals["palette"] = {**schemes, "classes": PAINTED, "steps": STEPS}
    return environment.get_template(template).render(**values)
