"""The OpenAPI document against a running collector: schemathesis asks well and badly, and every answer must be as documented."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from joulemark.collector.api import app
from joulemark.collector.api.state import State
from joulemark.collector.tokens import Scope, Tokens
from tests.collector.conftest import Agent, Collector, S

EXAMPLES = int(os.environ.get("EXAMPLES", "12"))
RUN = "one-that-exists"
ANYTHING = ("GET /healthz", "GET /readyz", "GET /v1/calibrations", "POST /v1/board/submissions")
NOTHING_WRONG = [(operation, GenerationMode.NEGATIVE) for operation in ANYTHING]
"""They take neither parameters nor a token, any text, or any bytes as an archive to be judged later: so there is no bad request."""
ENDLESS = ("GET /v1/live",)
"""A stream of events ends when its reader leaves, and generated questions wait for its end: it has a test of its own below."""
HEAD_TOO_LONG = 431
"""What answers a request whose head is too long to be looked at; the checks of negative examples do not know it."""
MORE_THAN_A_SCHEMA = (
    "POST /v1/runs/{run_id}/phases",
    "POST /v1/runs/{run_id}/benchmark",
    "POST /v1/runs/{run_id}/evidence",
    "POST /v1/calibrations",
    "POST /v1/board/snapshots",
    "POST /v1/board/entries/{entry_id}/withdraw",
    "GET /v1/prices",
    "GET /v1/cost",
    "GET /v1/serving",
)
"""A phase ends after it begins, documents and alignments have schemas of their own, a date has its zone, or is over, a window has two edges
or a length, money stands in words: this does not tell it. So what fits it may be refused.
"""


@schemathesis.serializer("application/zip", "application/gzip")
def archive(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """An archive is bytes as they are."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[schemathesis.BaseSchema, dict[str, str]]]:
    """The document as a running collector publishes it, and the header with a token for its questions."""
    folder = tmp_path_factory.mktemp("openapi")
    secret = Tokens(folder / "data").create("schemathesis", Scope.ADMIN, created_ns=0)
    collector = Collector(folder).start(data_dir=str(folder / "data"))
    headers = {"Authorization": f"Bearer {secret}"}
    agent = Agent()
    agent.send(collector.grpc, agent.batch(0, begin_ns=time.time_ns() - S, rows=20))
    with httpx.Client(base_url=collector.rest, headers=headers) as client:
        client.post("/v1/runs", json={"run_id": RUN, "moment": {"utc_ns": time.time_ns() - S, "boot_id": agent.boot_id}})
    yield schemathesis.openapi.from_url(f"{collector.rest}/openapi.json", headers=headers), headers
    collector.stop()


def operations() -> list[str]:
    """Method and path of every operation of the document."""
    paths = app.create(cast("State", None)).openapi()["paths"]
    found = [f"{method.upper()} {path}" for path, methods in sorted(paths.items()) for method in methods]
    return [operation for operation in found if operation not in ENDLESS]


@pytest.mark.parametrize(("operation", "mode"), [(o, m) for o in operations() for m in GenerationMode if (o, m) not in NOTHING_WRONG])
def test_every_answer_is_as_documented(published: Any, operation: str, mode: GenerationMode) -> None:
    """Status, media type, shape and headers of every answer stand in the document; bad input is refused; nothing is a server error."""
    (schema, headers), (method, path) = published, operation.split()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(schema[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        excluded = [positive_data_acceptance] if operation in MORE_THAN_A_SCHEMA else []
        response = case.call(headers=headers)
        if response.status_code != HEAD_TOO_LONG:
            case.validate_response(response, headers=headers, excluded_checks=excluded, transport_kwargs={"headers": headers})
        if mode is GenerationMode.POSITIVE and "{run_id}" in path:
            case.path_parameters["run_id"] = RUN
            case.call_and_validate(headers=headers, excluded_checks=excluded)

    ask()


def test_the_stream_without_end_is_as_documented(published: Any) -> None:
    """A few events of a running collector, of all hosts and of one, are as the document says; bad questions are refused by it."""
    schema, headers = published
    operation = schema["/v1/live"]["GET"]
    for query in ({"events": 2}, {"events": 1, "host": "host-a"}):
        answer = operation.Case(query=query).call_and_validate(headers=headers)
        found = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
        assert len(found) == query["events"]
        assert found[0]["ingest"]["answers"]
        assert [one["agent_id"] for one in found[0]["hosts"]] == ["host-a"]
    for query, status in (({"host": "nobody"}, 404), ({"events": 0}, 422), ({"since_ns": "x"}, 422)):
        answer = operation.Case(query=query).call(headers=headers)
        assert (answer.status_code, answer.headers["content-type"][0]) == (status, "application/problem+json")
