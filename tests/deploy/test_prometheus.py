"""What `deploy/prometheus` gives to Prometheus: names that stay, rules that hold, and joules that are ours."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from joulemark.collector.api import health, price_metrics
from joulemark.collector.feeds import feed_of
from joulemark.collector.standing import Standing, counted
from joulemark.config import FeedTable
from tests.deploy.conftest import Living
from tests.pricing.records import DAY, fetch
from tests.waiting import eventually

FROZEN = Path(__file__).with_name("metrics.json")
UNITS = ("seconds", "joules", "watts", "bytes")
NEEDS_MORE = {"serving_unknown_seconds_total", "certificate_expiry_timestamp_seconds", "clickhouse_shard_up", "price_age_seconds"} | {
    "price_last_success_timestamp_seconds",
    "price_fetches_total",
}
"""What a collector without certificates, feeds and trouble does not expose."""


def frozen() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FROZEN.read_text())
    return found


def exposed(text: str) -> dict[str, tuple[str, set[str]]]:
    """Name of each metric of a page, with its type and its labels."""
    families = text_string_to_metric_families(text)
    return {sample.name: (family.type, set(sample.labels)) for family in families for sample in family.samples}


def promtool(*arguments: str, given: str | None = None) -> str:
    """What promtool says; its status is 0."""
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_running_collector_and_agent_expose_the_frozen_names(living: Living) -> None:
    """Names, types and labels are those of the golden file, none more; promtool has nothing to say against the page."""
    wanted = {name for name in frozen() if name.removeprefix("joulemark_") not in NEEDS_MORE}
    eventually(lambda: wanted <= set(exposed(living.collector.get("/metrics").text)), "every metric is exposed")
    text = living.collector.get("/metrics").text
    for name, (kind, labels) in exposed(text).items():
        assert (kind, labels) == (frozen()[name]["type"], set(frozen()[name]["labels"])), name
    assert promtool("check", "metrics", given=text) == ""


def test_the_rest_of_the_names_are_frozen_too() -> None:
    """Certificates, shards and feeds, which need a configuration, have the labels and types of the golden file."""
    good = fetch(fetched_at_ns=DAY)
    lines = price_metrics.lines([Standing(feed_of(FeedTable("ecb")), good, good, good, counted({}))], 2 * DAY)
    lines += health.metric("certificate_expiry_timestamp_seconds", "gauge", "When.", {"cert": 1}, label="file")
    lines += health.metric("clickhouse_shard_up", "gauge", "Whether.", {"here": 1}, label="shard")
    lines += price_metrics.metric("serving_unknown_seconds_total", "counter", "Time.", [({"service": "a", "what": "everything"}, 1.0)])
    found = exposed("\n".join(lines) + "\n")
    assert {name.removeprefix("joulemark_") for name in found} == NEEDS_MORE
    assert found == {name: (frozen()[name]["type"], set(frozen()[name]["labels"])) for name in found}


def test_units_and_reference_agree_with_the_names(repository: Path) -> None:
    """A name ends in its unit, or in it and `_total`; the reference has the same metrics and names every label that is not shared."""
    page = (repository / "docs/reference/metrics.md").read_text()
    rows = dict(re.findall(r"^\| `(joulemark_\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert set(rows) == set(frozen())
    for name, each in frozen().items():
        unit = next((unit for unit in UNITS if name.removesuffix("_total").endswith(f"_{unit}")), None)
        assert each["unit"] == unit or (unit is None and each["unit"] not in UNITS), name
        assert name.endswith("_total") == (each["type"] == "counter"), name
        assert [label for label in each["labels"] if f"`{label}`" not in rows[name] and f'`{label}="' not in rows[name]] == [], name


def test_every_alert_fires_and_does_not(repository: Path) -> None:
    """Promtool takes the configuration and the rules, and runs a test in which each alert fires and one in which it does not."""
    assert "SUCCESS" in promtool("check", "config", str(repository / "deploy/prometheus/prometheus.yml"))
    assert "SUCCESS" in promtool("test", "rules", str(repository / "tests/deploy/alerts_test.yml"))
    alerts = re.findall(r"alert: (\w+)", (repository / "deploy/prometheus/rules/alerts.yml").read_text())
    tested = re.findall(r"alertname: (\w+)", (repository / "tests/deploy/alerts_test.yml").read_text())
    assert sorted(tested) == sorted(alerts * 2)


def test_rules_ask_for_metrics_that_exist(repository: Path) -> None:
    """Every name in a rule is frozen, recorded by another rule, or Prometheus' own `up`."""
    text = "".join(path.read_text() for path in (repository / "deploy/prometheus/rules").glob("*.yml"))
    assert set(re.findall(r"\bjoulemark_\w+(?=[{\[ )])", text)) - {"joulemark_alerts", "joulemark_recording"} <= set(frozen())


def samples(living: Living, name: str) -> list[tuple[float, float]]:
    """The raw samples of the last minute: (time, value)."""
    [series] = living.ask(f"{name}[1m]")
    return [(float(t_s), float(value)) for t_s, value in series["values"]]


def test_prometheus_has_our_joules(living: Living) -> None:
    """Raw samples at the edges give the energy of `/v1/serving` over the same time within 0.1 %; `increase` is off by no more than two
    scrapes and what one batch holds back.
    """
    eventually(lambda: len(living.ask("joulemark_serving_joules_total")) == 1, "a service is scraped")
    eventually(lambda: len(samples(living, "joulemark_serving_joules_total")) >= 12, "twelve scrapes", within_s=50)
    until = samples(living, "joulemark_serving_until_timestamp_seconds")
    joules = dict(samples(living, "joulemark_serving_joules_total"))
    edges = [(t_s, round(until_s * 1e9)) for t_s, until_s in until if t_s in joules]
    (first_s, begin_ns), (last_s, end_ns) = edges[0], edges[-1]
    asked = living.collector.get("/v1/serving", params={"begin_ns": begin_ns, "end_ns": end_ns}).raise_for_status().json()
    [energy] = asked["services"][0]["slices"][0]["energy"]
    assert end_ns - begin_ns > 5e9
    assert joules[last_s] - joules[first_s] == pytest.approx(energy["energy_j"], rel=1e-3)
    window_s, watts = 8, 200
    [increase] = living.ask(f"increase(joulemark_serving_joules_total[{window_s}s])")
    assert float(increase["value"][1]) == pytest.approx(watts * window_s, abs=watts * (2 * 1 + 1.1))


def test_a_device_counter_comes_through(living: Living) -> None:
    """Two raw samples of a device's counter differ by what it counted between the two times at which it was read."""
    eventually(lambda: living.ask("joulemark_meter_joules_total"), "a counter is scraped")
    eventually(lambda: len(samples(living, "joulemark_meter_joules_total")) >= 5, "five scrapes")
    until = dict(samples(living, "joulemark_meter_until_timestamp_seconds"))
    joules = [(until[t_s], value) for t_s, value in samples(living, "joulemark_meter_joules_total") if t_s in until]
    (begin_s, first), (end_s, last) = joules[0], joules[-1]
    assert last - first == pytest.approx(200 * (end_s - begin_s), abs=200 * 0.002)


def test_the_scrape_is_clean(living: Living) -> None:
    """Prometheus says nothing against the target, loads every rule, and sees the open phase."""
    eventually(lambda: living.ask('joulemark_run_phase{phase="decode",kind="measured"} == 1'), "the phase is scraped")
    [target] = living.prometheus.get("/api/v1/targets").json()["data"]["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    groups = living.prometheus.get("/api/v1/rules").json()["data"]["groups"]
    assert sorted(group["name"] for group in groups) == ["joulemark_alerts", "joulemark_recording"]
    eventually(lambda: living.ask("agent_meter_boundary:joulemark_meter_watts:rate5m"), "a rate is recorded")
    groups = living.prometheus.get("/api/v1/rules").json()["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
