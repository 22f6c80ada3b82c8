"""Health, readiness and metrics, without an ingest process and with one."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from joulemark.collector.api.health import metric
from joulemark.collector.api.refusals import Reason
from joulemark.collector.tokens import Scope, Tokens
from tests.collector.api.conftest import Api
from tests.collector.conftest import Agent, Collector


def test_without_ingest_it_is_healthy_but_not_ready(api: Api) -> None:
    """The REST process alone answers /healthz; /readyz is 503 and names the next step."""
    assert api.get("/healthz").json()["status"] == "ok"
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:joulemark:RemoteUnreachable")
    assert "joulemark collector run" in answer.json()["next_step"]


def test_metrics_count_what_is_durable(api: Api) -> None:
    """Batches, samples and duplicates are counted from the store; the number of agents is left out while nobody can tell it."""
    agent = Agent(epoch_ns=api.clock.utc_ns())
    first = agent.batch(0, begin_ns=api.clock.utc_ns())
    api.take(agent, first, first, agent.batch(1, begin_ns=api.clock.utc_ns()))
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = dict(line.split() for line in answer.text.splitlines() if not line.startswith("#"))
    assert int(values.pop("joulemark_data_dir_free_bytes")) > 0
    assert values == {
        "joulemark_batches_total": "2",
        "joulemark_samples_total": "20",
        "joulemark_duplicate_batches_total": "1",
        "joulemark_streams_opened_total": "0",
        "joulemark_deleted_chunks_total": "0",
        "joulemark_deleted_bytes_total": "0",
        "joulemark_ingest_up": "0",
        'joulemark_agent_last_reading_timestamp_seconds{agent="host-a"}': "1790000000.9",
        'joulemark_meter_power_watts{agent="host-a",meter="fake:host-a:0:power",boundary="gpu"}': "200.0",
        'joulemark_meter_joules_total{agent="host-a",meter="fake:host-a:0:energy",boundary="gpu"}': "1000180.0",
        'joulemark_meter_until_timestamp_seconds{agent="host-a",meter="fake:host-a:0:energy",boundary="gpu"}': "1790000000.9",
        **{f'joulemark_rest_refused_total{{reason="{reason}"}}': "0" for reason in Reason},
    }


def test_the_room_of_the_data_folder_is_what_the_system_says(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free for who is not root is told; where the disk does not answer nothing is."""
    asked = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=4096)

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert "joulemark_data_dir_free_bytes 4096\n" in api.get("/metrics").text
    assert asked == [api.state.config.collector.data_dir]
    monkeypatch.setattr("shutil.disk_usage", lambda _: Path("/nowhere/at/all").stat())
    assert "data_dir_free_bytes" not in api.get("/metrics").text


def test_a_metric_has_help_and_type_and_zero_is_a_value() -> None:
    """0 is printed; None prints nothing at all."""
    assert metric("a", "gauge", "T.", 0) == ["# HELP joulemark_a T.", "# TYPE joulemark_a gauge", "joulemark_a 0"]
    assert metric("a", "gauge", "T.", None) == metric("a", "gauge", "T.", {}) == []
    assert metric("a", "gauge", "T.", {"x": 0}, label="file")[2:] == ['joulemark_a{file="x"} 0']


def test_readiness_follows_the_ingest_process(http: httpx.Client, collector: Collector) -> None:
    """A collector that answers is healthy and ready, and says how many agents are connected."""
    assert http.get("/healthz").json()["status"] == "ok"
    assert http.get("/readyz").json() == {"status": "ok", "agents_connected": 0}
    metrics = http.get("/metrics").text
    assert "joulemark_ingest_up 1\n" in metrics
    assert "joulemark_agents_connected 0\n" in metrics


def test_metrics_keep_the_rules_of_the_format(api: Api) -> None:
    """Prometheus' own parser reads every line; each metric has help and type, counters end in _total, base units, no name twice."""
    api.get("/v1/none")
    text = api.get("/metrics").text
    families = list(text_string_to_metric_families(text))
    assert text.endswith("\n")
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    for family in families:
        assert family.name.startswith("joulemark_")
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge"), family.name
        assert not re.search(r"_(ms|ns|mb|kb|milli\w*|hours|minutes|watts_hour)(_|$)", family.name), family.name
        for sample in family.samples:
            assert sample.name == family.name + ("_total" if family.type == "counter" else "")
            assert sample.value == sample.value, sample.name
            assert all(re.fullmatch(r"[a-z_]+", key) for key in sample.labels)
    series = [(sample.name, *sorted(sample.labels.items())) for family in families for sample in family.samples]
    assert len(series) == len(set(series))
    assert text.count("# HELP ") == text.count("# TYPE ") == len(families)


def test_a_scrape_needs_a_token_where_there_are_some(api: Api) -> None:
    """Prometheus shows its token as everybody else; without one the figures are not given."""
    secret = Tokens(api.state.config.collector.data_dir).create("prometheus", Scope.READ, created_ns=0)
    assert api.get("/metrics").status_code == 401
    assert api.get("/metrics", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
