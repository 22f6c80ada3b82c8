"""Every page there is, taken from the routes themselves, and where to look at it in the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from fastapi import APIRouter
from fastapi.routing import APIRoute

from joulemark.collector.web import pages
from joulemark.standard.edition import edition
from tests.browser.scene import ALIGNMENT, HOST, Scene

State = Literal["data", "empty", "failing"]
STATES: Final[tuple[State, ...]] = ("data", "empty", "failing")
"""A collector that was fed, one that holds nothing yet, and one whose ingest process is gone."""


@dataclass(frozen=True)
class Kind:
    """A page. `bare`: its address in a collector that holds nothing; None where it shows what that one cannot have, and answers 404."""

    name: str
    path: Callable[[Scene], str]
    bare: str | None


def plain(path: str) -> Kind:
    """A page of everything of a kind, whose address holds nothing of the scene."""
    return Kind(path.strip("/"), lambda scene: path, path)


def compared(scene: Scene) -> str:
    """Both runs that are over, side by side."""
    return "/compare?" + "&".join(f"run={run_id}" for name, run_id in scene.runs.items() if name != "open")


RULE: Final = f"/rules/{edition().rules[0].id}"
PAGES: Final = {
    "/hosts": plain("/hosts"),
    "/hosts/{agent_id}": Kind("host", lambda scene: f"/hosts/{HOST}", None),
    "/runs": plain("/runs"),
    "/runs/{run_id}": Kind("run", lambda scene: f"/runs/{scene.runs['llama-3-8b, bf16']}", None),
    "/compare": Kind("compare", compared, "/compare"),
    "/board": plain("/board"),
    "/board/{entry_id}": Kind("entry", lambda scene: f"/board/{scene.entry_id}", None),
    "/rules/{rule_id}": Kind("rule", lambda scene: RULE, RULE),
    "/prices": plain("/prices"),
    "/calibrations": plain("/calibrations"),
    "/calibrations/{alignment_id}": Kind("calibration", lambda scene: f"/calibrations/{ALIGNMENT}", None),
}
NO_PAGES: Final = frozenset(
    {
        "/",
        "/assets/{version}/{name}",
        "/board/{entry_id}/label.svg",
        "/runs/{run_id}/verdict",
        "/calibrations/{alignment_id}/files/{path:path}",
        "/calibrations/rings/{name}.json",
    }
)
"""Routes of the pages' router that answer with something else, or with a part of a page."""
UNKNOWN: Final = "/nowhere"
"""Where nothing is: the page of a problem."""


def routes() -> frozenset[str]:
    """What the collector serves for people: the routes of every module that the pages are made of."""
    routers = [one.router for one in (pages, *vars(pages).values()) if isinstance(getattr(one, "router", None), APIRouter)]
    return frozenset(route.path for router in routers for route in router.routes if isinstance(route, APIRoute))


@dataclass(frozen=True)
class Address:
    """A page as it is asked for, and the status it has to answer with."""

    name: str
    state: State
    url: str
    status: int = 200


def address(scene: Scene, route: str, state: State) -> Address:
    """Where the page of `route` is in `state`."""
    base = {"data": scene.full, "empty": scene.empty, "failing": scene.failing}[state].url
    if route == UNKNOWN:
        return Address("nowhere", state, base + route, 404)
    kind = PAGES[route]
    if state == "empty":
        return Address(kind.name, state, base + (kind.bare or kind.path(scene)), 404 if kind.bare is None else 200)
    return Address(kind.name, state, base + kind.path(scene))


def addresses(scene: Scene) -> Iterator[Address]:
    """Every page in every state."""
    for state in STATES:
        for route in (*PAGES, UNKNOWN):
            yield address(scene, route, state)
