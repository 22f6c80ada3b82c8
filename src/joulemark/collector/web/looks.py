"""How a page is made: a template in the frame of the house, under a policy that lets it load nothing from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from joulemark import __version__
from joulemark.cards import figures
from joulemark.collector.api.problems import Problem
from joulemark.collector.api.state import State
from joulemark.collector.web.assets import assets
from joulemark.markup import grouped, shown
from joulemark.timebase import iso_utc

POLICY: Final = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
"""Neither inline script nor inline style: what a client sent cannot become either."""

NAVIGATION: Final = (
    ("Hosts", "/hosts"),
    ("Runs", "/runs"),
    ("Compare", "/compare"),
    ("Energy board", "/board"),
    ("Prices", "/prices"),
    ("Calibration", "/calibrations"),
)

templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters.update(
    utc=lambda t_ns: f"{iso_utc(t_ns)[:19]}Z",
    path=lambda text: quote(str(text), safe=""),
    grouped=lambda number: grouped(str(number)),
    shown=shown,
)
templates.globals.update(version=__version__, navigation=NAVIGATION, assets=assets(), figures=figures)


async def page(state: State, template: str, *, here: str, title: str, status: int = 200, **context: Any) -> HTMLResponse:
    """The page `template` with what it shows; `here`: its place in the navigation, `title`: also of the window.

    Whether the ingest process answers is asked each time: where it does not, the page says that nothing new arrives.
    """
    ingest = await state.control.status()
    whole = {"here": here, "title": title, "receiving": ingest is not None, **context}
    return await asyncio.to_thread(rendered, template, whole, status=status)  # the first page of a template compiles it


def rendered(template: str, context: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """A template with its context, as an answer."""
    return HTMLResponse(templates.get_template(template).render(context), status, {"Content-Security-Policy": POLICY})


def problem(request: Request, why: Problem) -> HTMLResponse:
    """Why there is no such page, and what to do next, for a person."""
    here = f"/{request.scope['path'].split('/')[1]}"
    return rendered("problem.html", {"here": here, "title": why.title, "receiving": True, "problem": why}, status=why.status)
