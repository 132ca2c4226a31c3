"""One HTML file from a template of this folder, pictures inside, everything escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from artifact.atomic import write_atomically


def write_page(page: Path, template: str, **values: Any) -> None:
    """Render a template that extends base.html.jinja, and write the page whole or not at all.

    Raises:
        OutputError: the page cannot be written.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pages", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_atomically(page, environment.get_template(template).render(**values).encode("utf-8", errors="replace"))
