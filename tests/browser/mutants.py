"""Defects put between collector and browser, to show that they are seen: MUTATE=contrast|remote|heavy|wide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from playwright.sync_api import BrowserContext, Route

PALE: Final = ":root { --soft: #a8a8a8 !important; } main p, footer p { color: var(--soft); }"
PICTURE: Final = '<img src="https://pictures.example.org/pixel.png" alt="">'
BROAD: Final = f'<div class="scroll" tabindex="0" role="region" aria-label="Too wide"><table><td>{"&nbsp;" * 400}</table></div>'
BALLAST: Final = f"/* {'weight ' * 12_000}*/"


def pale(context: BrowserContext) -> None:
    """Text too pale on white."""
    context.route("**/pages.css", lambda route: served(route, lambda text: text + PALE))


def remote(context: BrowserContext) -> None:
    """A picture of another origin on every page, and no policy that forbids it."""
    context.route("**/*", lambda route: served(route, lambda text: text.replace("</main>", f"{PICTURE}</main>"), of="document"))


def heavy(context: BrowserContext) -> None:
    """A style of 84 KB more."""
    context.route("**/pages.css", lambda route: served(route, lambda text: text + BALLAST))


def wide(context: BrowserContext) -> None:
    """A table of which a wide window shows only the begin."""
    context.route("**/*", lambda route: served(route, lambda text: text.replace("</main>", f"{BROAD}</main>"), of="document"))


MUTANTS: Final[dict[str, Callable[[BrowserContext], None]]] = {
    "": lambda context: None,
    "contrast": pale,
    "remote": remote,
    "heavy": heavy,
    "wide": wide,
}


def served(route: Route, change: Callable[[str], str], *, of: str = "stylesheet") -> None:
    """What the collector answers, changed on its way where it is `of` that type."""
    if route.request.resource_type != of:
        route.fallback()
        return
    answer = route.fetch()
    headers = {name: value for name, value in answer.headers.items() if name not in ("content-length", "content-security-policy")}
    route.fulfill(status=answer.status, headers=headers, body=change(answer.text()))
