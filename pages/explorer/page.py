"""The frame of the explorer's page: its scripts, its style, its template.

Decisions a reader would question:
- The scripts are plain files in one scope, in the order of SCRIPTS, and are put into the page as they are: what a user
  reads in the browser is what stands here. Only vendor/ is bundled.
- The page forbids itself everything (Content-Security-Policy) but this very script, by its hash: no text of a data set
  can run as one, and nothing can be sent anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from pages.page import render_page

SCRIPTS = (
    "vendor/twgl.js",
    "elements.js",
    "source.js",
    "columns.js",
    "colours.js",
    "state.js",
    "camera.js",
    "scatter.js",
    "pictures.js",
    "overlay.js",
    "tools.js",
    "ramp.js",
    "legend.js",
    "search.js",
    "card.js",
    "selection.js",
    "findings.js",
    "address.js",
    "keyboard.js",
    "app.js",
)
_MARK = "<!-- data and scripts -->"


def script(more: tuple[str, ...] = ()) -> str:
    """All scripts in one scope; `more` are read before the last, which starts the page."""
    names = (*SCRIPTS[:-1], *more, SCRIPTS[-1])
    sources = [(files("pages.explorer") / name).read_text("utf-8") for name in names]
    return '(() => {\n"use strict";\n' + "\n".join(sources) + "})();\n"


def policy(source: str, *, connect: str = "'none'") -> str:
    """The Content-Security-Policy of a page with this one script; `connect` says where it may ask for data."""
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    allowed = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src blob: data:"
    return f"{allowed}; connect-src {connect}; base-uri 'none'; form-action 'none'"


def frame(**values: Any) -> tuple[str, str]:
    """The page as HTML up to where data and scripts stand, and from there on; `values` are those of the template."""
    style = (files("pages.explorer") / "explorer.css").read_text("utf-8")
    from markupsafe import Markup

    before, after = render_page("explorer/explorer.html.jinja", css=Markup(style), mark=Markup(_MARK), **values).split(
        _MARK
    )
    return before, after
