"""The REST application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from joulemark import __version__
from joulemark.collector.api import health, page, problems, readings, runs
from joulemark.collector.api.door import Door
from joulemark.collector.api.limits import Limits
from joulemark.collector.api.state import State


def create(state: State, limits: Limits | None = None) -> FastAPI:
    """The app that serves `state`; its OpenAPI document is at /openapi.json."""
    app = FastAPI(title="Joulemark collector", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.joulemark = state
    app.add_middleware(Door, state=state, bounds=limits or Limits())
    problems.install(app)
    for router in (runs.router, readings.router, health.router, page.router):
        app.include_router(router)
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        """The generated document with the shape of problems, and tokens."""
        document = generated()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = problems.Problem.model_json_schema()
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend it
    return app
