"""The REST application."""

from __future__ import annotations

from typing import Any, get_origin

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute

from joulemark import __version__
from joulemark.collector.api import (
    board,
    calibrations,
    cards,
    compare,
    costs,
    health,
    live,
    prices,
    problems,
    readings,
    runs,
    serving,
    traces,
)
from joulemark.collector.api.door import Door
from joulemark.collector.api.limits import Limits
from joulemark.collector.api.prepared import Prepared
from joulemark.collector.api.state import State
from joulemark.collector.web import looks, pages
from joulemark.errors import UsageError


def create(state: State, limits: Limits | None = None) -> FastAPI:
    """The app that serves `state`; its OpenAPI document is at /openapi.json."""
    app = FastAPI(
        title="Joulemark collector",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(known_parameters)],
    )
    app.state.joulemark = state
    app.add_middleware(Prepared, state=state)
    app.add_middleware(Door, state=state, bounds=limits or Limits())
    problems.install(app, looks.problem)
    for router in (
        runs.router,
        cards.router,
        traces.router,
        compare.router,
        readings.router,
        live.router,
        calibrations.router,
        prices.router,
        costs.router,
        serving.router,
        health.router,
        board.router,
        pages.router,
    ):
        app.include_router(router)
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        """The generated document with the shape of problems, and tokens."""
        document: dict[str, Any] = whole_bounds(generated())
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = problems.Problem.model_json_schema()
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend it
    return app


async def known_parameters(request: Request) -> None:
    """Refuse a parameter that the route does not have, and one given twice that is no list: either would be an answer to another question.

    Raises UsageError. A coroutine: FastAPI has a plain function wait for a thread and its answer, each time.
    """
    route = request.scope.get("route")
    fields = {p.alias: p.field_info.annotation for p in route.dependant.query_params} if isinstance(route, APIRoute) else {}
    known = set(fields)
    for name in known & set(request.query_params):
        if len(request.query_params.getlist(name)) > 1 and get_origin(fields[name]) is not list:
            raise UsageError(f"{request.scope['path'][:200]}: {name} stands twice", "give it once")
    if unknown := sorted(set(request.query_params) - known):
        has = f"it has {', '.join(sorted(known))}" if known else "it has none"
        raise UsageError(f"{request.scope['path'][:200]} has no parameter {unknown[0][:80]!r}", has)


def whole_bounds(schema: Any) -> Any:
    """`schema` with whole numbers as bounds of integers: FastAPI writes them as floats, which moves those of 64 bits."""
    if isinstance(schema, list):
        return [whole_bounds(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    integer = schema.get("type") == "integer"
    return {
        key: int(value) if integer and key.lower().endswith("imum") and isinstance(value, float) else whole_bounds(value)
        for key, value in schema.items()
    }
