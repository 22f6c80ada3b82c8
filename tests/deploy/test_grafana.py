"""The dashboards of `deploy/grafana`, as far as they can be checked without Grafana: expressions, names, units, sources, places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_prometheus import frozen, promtool

BOARDS = ("fleet", "run")
MADE_BY_GRAFANA = {"$__range": "1h", "$__rate_interval": "1m", "$agent": ".*", "$boundary": ".*", "$run": "r"}
UNITS = {"(W)": "watt", "(J)": "joule", "(s)": "s", "(age)": "s", "(1/s)": ("cps", "reqps")}


def board(repository: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((repository / f"deploy/grafana/dashboards/{name}.json").read_text())
    return found


def expressions(found: dict[str, Any]) -> Iterator[str]:
    """Everything that Prometheus is asked, with the variables as Grafana fills them."""
    asked = [target["expr"] for panel in found["panels"] for target in panel["targets"]]
    for expression in [*asked, *(note["expr"] for note in found["annotations"]["list"])]:
        for name, value in MADE_BY_GRAFANA.items():
            expression = expression.replace(name, value)
        assert "$" not in expression
        yield expression


@pytest.mark.parametrize("name", BOARDS)
def test_prometheus_takes_every_expression(repository: Path, tmp_path: Path, name: str) -> None:
    """Promtool parses what every panel and annotation asks."""
    rules = [{"record": f"r{n}", "expr": expression} for n, expression in enumerate(expressions(board(repository, name)))]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))  # JSON is YAML
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", str(path))


@pytest.mark.parametrize("name", BOARDS)
def test_every_name_exists(repository: Path, name: str) -> None:
    """A panel, an annotation or a variable asks for frozen metrics and recorded rates alone, by labels that they have."""
    found = board(repository, name)
    rules = set(re.findall(r"record: (\S+)", (repository / "deploy/prometheus/rules/recording.yml").read_text()))
    queries = [one["query"]["query"] for one in found["templating"]["list"] if one["type"] == "query"]
    for text in [*expressions(found), *queries]:
        recorded = set(re.findall(r"\b\w+:joulemark_\w+:\w+", text))
        assert recorded <= rules, text
        for metric in set(re.findall(r"(?<!:)\bjoulemark_\w+", text)):
            used = re.findall(metric + r"\{([^}]*)\}", text) + re.findall(r"label_values\(" + metric + r", (\w+)\)", text)
            assert metric in frozen(), text
            assert {label for part in used for label in re.findall(r"(\w+)(?==|!|$)", re.sub(r'"[^"]*"', "", part))} <= set(
                frozen()[metric]["labels"]
            ), text


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_titles_units_and_a_source_of_your_own(repository: Path, name: str) -> None:
    """Each panel says what it shows, its unit is that of its title, and Prometheus is the one that the reader chose."""
    found = board(repository, name)
    assert found["templating"]["list"][0] == {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
    }
    assert set(re.findall(r'"uid": "([^"]+)"', json.dumps(found))) == {"${datasource}", f"joulemark-{name}"}
    assert found["timezone"] == "utc"
    ids, places = set(), set()
    for panel in found["panels"]:
        unit = panel["fieldConfig"]["defaults"]["unit"]
        said = re.search(r"\([^()]*\)$", panel["title"])
        assert panel["description"].endswith("."), panel["title"]
        assert unit in UNITS.get(said[0] if said else "", (unit,)), panel["title"]
        assert said or unit in ("none", "percentunit"), panel["title"]
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False
        ids.add(panel["id"])
        grid = panel["gridPos"]
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        assert not cells & places, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        places |= cells
    assert len(ids) == len(found["panels"])


def test_a_run_has_its_phases_as_annotations(repository: Path) -> None:
    """The open phases of the chosen run are bands over every panel."""
    [note] = board(repository, "run")["annotations"]["list"]
    assert (note["enable"], note["expr"]) == (True, 'joulemark_run_phase{run="$run",phase!=""}')
    assert "{{phase}}" in note["titleFormat"]


def test_provisioning_leads_to_the_dashboards(repository: Path) -> None:
    """Grafana is told of one source and one folder, and the how-to copies the dashboards there."""
    folder = repository / "deploy/grafana/provisioning"
    assert re.findall(r"type: (\w+)", (folder / "datasources/prometheus.yml").read_text()) == ["prometheus"]
    [path] = re.findall(r"path: (\S+)", (folder / "dashboards/joulemark.yml").read_text())
    assert path in (repository / "docs/how-to/watch-with-prometheus-and-grafana.md").read_text()
    assert {path.stem for path in (repository / "deploy/grafana/dashboards").glob("*.json")} == set(BOARDS)
