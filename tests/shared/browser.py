"""A real browser for tests of pages: the system's Chromium, driven headless, and Firefox for one picture.

Decisions a reader would question:
- Playwright brings no browser here: it drives the one that the system's packages installed, found on the PATH. Without
  one, or without Playwright, tests are skipped with the reason.
- No page may reach a network: names resolve to nothing but this machine, and a request that leaves it is a complaint.
  Every complaint (an error on the console, an exception that nobody caught) fails the test that opened the page.
- WebGL is drawn by SwiftShader, on the processor: the same picture on every machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIREFOX = ("firefox", "firefox-esr")
FLAGS = (
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
TIMEOUT_MS = 20_000
_LOCAL_SCHEMES = {"file", "data", "blob", "about"}


def find_program(names: tuple[str, ...]) -> str | None:
    """The first of these programs that is on the PATH."""
    return next((found for name in names if (found := shutil.which(name))), None)


@contextlib.contextmanager
def running_chromium() -> Iterator[Any]:
    """A `playwright.sync_api.Browser` of the system's Chromium; skips the test where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = find_program(CHROMIUM)
    if program is None:
        pytest.skip(f"no browser on the PATH: none of {', '.join(CHROMIUM)}")
    sandbox = () if os.geteuid() else ("--no-sandbox",)  # root has no sandbox to offer
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *sandbox], timeout=60_000)
        try:
            yield browser
        finally:
            browser.close()


class Pages:
    """Opens pages in one browser and keeps what they complain of.

    Attributes:
        browser: the `playwright.sync_api.Browser`.
        complaints: errors on the console, exceptions, and requests that would have left this machine.
    """

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.complaints: list[str] = []
        self._contexts: list[Any] = []

    def open(
        self,
        address: str | Path,
        *,
        fragment: str = "",
        width: int = 1280,
        height: int = 800,
        before: str = "",
        **context: Any,
    ) -> Any:
        """A `playwright.sync_api.Page` at a file or an http:// address of this machine, in a context of its own.

        Wait with `wait_for_selector`: `wait_for_function` evaluates text, which a page with a strict policy forbids.

        Args:
            address: path of an HTML file, or a URL.
            fragment: what follows the `#` of its address.
            width, height: of the window, in pixels.
            before: a script that runs before those of the page.
            context: more of `Browser.new_context`: color_scheme, has_touch, accept_downloads ...
        """
        opened = self.browser.new_context(viewport={"width": width, "height": height}, **context)
        self._contexts.append(opened)
        opened.set_default_timeout(TIMEOUT_MS)
        if before:
            opened.add_init_script(before)
        page = opened.new_page()
        page.on("console", lambda message: self._complain(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("request", lambda request: self._watch(request.url))
        url = address if isinstance(address, str) and "://" in address else Path(address).resolve().as_uri()
        page.goto(f"{url}#{fragment}" if fragment else url)
        return page

    def close(self) -> None:
        """Close every page; raises AssertionError with what they complained of."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()
        self.check()

    def check(self) -> None:
        """Raise AssertionError with what the pages have complained of since the last time."""
        complaints, self.complaints = self.complaints, []
        assert not complaints, "\n".join(complaints)

    def _complain(self, text: str) -> None:
        self.complaints.append(text)

    def _watch(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _LOCAL_SCHEMES and parts.hostname != "127.0.0.1":
            self._complain(f"a request that leaves this machine: {url}")


def firefox_picture(address: Path, picture: Path, *, width: int = 1280, height: int = 800) -> None:
    """A headless picture of a page by the system's Firefox; skips the test where there is none."""
    program = find_program(FIREFOX)
    if program is None:
        pytest.skip(f"no Firefox on the PATH: none of {', '.join(FIREFOX)}")
    profile = picture.parent / "firefox-profile"
    profile.mkdir()
    command = [program, "--headless", "--no-remote", "--profile", str(profile)]
    command += ["--screenshot", str(picture), f"--window-size={width},{height}", address.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
