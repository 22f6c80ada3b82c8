"""Debian's Chromium, driven by Playwright: one browser, and a context for each way of looking."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from joulemark.errors import EnvironmentFailed

Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
WIDE, NARROW = 1280, 360
HEIGHT: Final = 900
NOWHERE: Final = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""No name is resolved: what a page asks of others never leaves this machine."""

REFUSED: Final = """
window.refused = [];
addEventListener("securitypolicyviolation", (event) => window.refused.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""
"""Notes down what the page's policy forbade."""


def program() -> str:
    """The browser. Raises EnvironmentFailed where there is none."""
    found = shutil.which("chromium")
    if found is None:
        raise EnvironmentFailed(
            "there is no chromium on this machine", "run scripts/debian, or: apt-get install chromium fonts-dejavu-core"
        )
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for as long as the block. As root it runs without a sandbox, which it would refuse to be without otherwise."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(),
            args=["--no-proxy-server", "--hide-scrollbars", NOWHERE],
            chromium_sandbox=os.geteuid() != 0,
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(browser: Browser, **how: Any) -> Iterator[BrowserContext]:
    """A context without a past, 1280 px wide and light unless told otherwise."""
    given: dict[str, Any] = {"viewport": {"width": WIDE, "height": HEIGHT}, "color_scheme": "light", "reduced_motion": "reduce", **how}
    context = browser.new_context(**given)
    try:
        context.set_default_timeout(30_000)
        if given.get("java_script_enabled", True):
            context.add_init_script(REFUSED)
        yield context
    finally:
        context.close()
