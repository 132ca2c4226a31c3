"""The browser of the tests itself: it draws WebGL, and sees what a page complains of."""

from pathlib import Path

import pytest

from tests.shared.browser import Pages

_ERRORS = ("console.error('spoilt')", "throw new Error('spoilt')", "fetch('http://spoilt.example/').catch(() => 0)")


def _page(folder: Path, script: str) -> Path:
    page = folder / "page.html"
    page.write_text(f"<!doctype html><title>page</title><canvas></canvas><script>{script}</script>")
    return page


def test_browser_draws_webgl(pages: Pages, tmp_path: Path) -> None:
    """A page has a context of WebGL 2 with textures of a useful size."""
    opened = pages.open(_page(tmp_path, ""))
    context = "document.querySelector('canvas').getContext('webgl2')"
    assert opened.evaluate(f"(gl => gl.getParameter(gl.MAX_TEXTURE_SIZE))({context})") >= 4096


@pytest.mark.parametrize("script", _ERRORS)
def test_browser_complaints_fail_the_test(pages: Pages, tmp_path: Path, script: str) -> None:
    """An error, an exception and a request to elsewhere are each a complaint."""
    opened = pages.open(_page(tmp_path, script))
    opened.wait_for_function("document.readyState === 'complete'")
    with pytest.raises(AssertionError, match="spoilt"):
        pages.close()
