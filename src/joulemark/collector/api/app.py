"""The REST application."""

from __future__ import annotations

from fastapi import FastAPI

from joulemark import __version__
from joulemark.collector.api import health, page, problems, readings, runs
from joulemark.collector.api.state import State


def create(state: State) -> FastAPI:
    """The app that serves `state`; its OpenAPI document is at /openapi.json."""
    app = FastAPI(title="Joulemark collector", version=__version__, docs_url=None, redoc_url=None)
    app.state.joulemark = state
    problems.install(app)
    for router in (runs.router, readings.router, health.router, page.router):
        app.include_router(router)
    return app
