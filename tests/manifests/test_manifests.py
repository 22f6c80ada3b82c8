"""What `deploy/` tells a cluster to do, done here: objects keep our rules, their commands and files work."""

from __future__ import annotations

import copy
import json
import os
import re
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests import certificates
from tests.manifests import rules

Objects = list[dict[str, Any]]


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command with more environment, and its output."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **variables}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def objects(repository: Path) -> Objects:
    """What the chart gives without values."""
    return [each for each in yaml.safe_load_all((repository / "deploy/kubernetes/joulemark.yaml").read_text()) if each]


def of(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    """One object."""
    (found,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def test_the_objects_keep_our_rules(objects: Objects) -> None:
    """Every object that the issue of a cluster needs is there, and no rule is broken."""
    kinds = {each["kind"] for each in objects}
    assert kinds >= {"DaemonSet", "StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor"}
    assert rules.broken(objects) == []


def test_the_objects_are_restricted(objects: Objects) -> None:
    """Without values no pod has a volume that the Pod Security level `restricted` refuses; the rest of that level is among our rules."""
    allowed = {"configMap", "emptyDir", "secret"}
    made = [pod for _, pod in rules.pods(objects)]
    assert {kind for pod in made for volume in pod["volumes"] for kind in volume} - {"name"} <= allowed
    assert len(made) == 2


def agent_pod(objects: Objects) -> dict[str, Any]:
    pod: dict[str, Any] = of(objects, "DaemonSet", "joulemark-agent")["spec"]["template"]["spec"]
    return pod


def mount(pod: dict[str, Any], path: str, *, read_only: bool) -> None:
    """Mount a folder of the node into a pod's container."""
    pod["volumes"].append({"name": "node", "hostPath": {"path": path}})
    pod["containers"][0]["volumeMounts"].append({"name": "node", "mountPath": "/node", "readOnly": read_only})


SPOILS: dict[str, Callable[[Objects], Any]] = {
    "as root": lambda o: agent_pod(o)["securityContext"].update(runAsNonRoot=False),
    "no seccomp": lambda o: agent_pod(o)["securityContext"].pop("seccompProfile"),
    "host network": lambda o: agent_pod(o).update(hostNetwork=True),
    "a token of the API": lambda o: agent_pod(o).pop("automountServiceAccountToken"),
    "privileged": lambda o: agent_pod(o)["containers"][0]["securityContext"].update(privileged=True),
    "a capability": lambda o: agent_pod(o)["containers"][0]["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    "no bound of memory": lambda o: agent_pod(o)["containers"][0].pop("resources"),
    "no probe": lambda o: agent_pod(o)["containers"][0].pop("livenessProbe"),
    "secret in the environment": lambda o: agent_pod(o)["containers"][0]["env"].append({"name": "X", "valueFrom": {"secretKeyRef": {}}}),
    "image without version": lambda o: agent_pod(o)["containers"][0].update(image="joulemark-agent"),
    "image of a registry": lambda o: agent_pod(o)["containers"][0].update(image="registry.example/joulemark-agent:1"),
    "open secret": lambda o: next(v for v in agent_pod(o)["volumes"] if "secret" in v)["secret"].update(defaultMode=0o444),
    "no token at first": lambda o: of(o, "StatefulSet", "joulemark-collector")["spec"]["template"]["spec"].pop("initContainers"),
    "no policy": lambda o: o.remove(of(o, "NetworkPolicy", "joulemark-collector")),
    "policy for nobody": lambda o: of(o, "NetworkPolicy", "joulemark-collector")["spec"]["podSelector"]["matchLabels"].update(a="b"),
    "port of nobody": lambda o: of(o, "Service", "joulemark-collector")["spec"]["ports"][0].update(targetPort="other"),
    "budget for nobody": lambda o: of(o, "PodDisruptionBudget", "joulemark-collector")["spec"]["selector"]["matchLabels"].update(a="b"),
    "GPUs not asked for": lambda o: agent_pod(o).update(runtimeClassName="nvidia"),
    "devices of the node": lambda o: mount(agent_pod(o), "/dev", read_only=True),
    "sysfs to write": lambda o: mount(agent_pod(o), "/sys/devices", read_only=False),
    "a job of another name": lambda o: of(o, "ServiceMonitor", "joulemark-collector")["spec"].pop("jobLabel"),
    "scrape in plaintext": lambda o: of(o, "ServiceMonitor", "joulemark-collector")["spec"]["endpoints"][0].update(scheme="http"),
    "no TLS": lambda o: of(o, "ConfigMap", "joulemark-collector")["data"].update({"collector.toml": 'rest_listen = "0.0.0.0:7471"\n'}),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_broken_rule_is_seen(objects: Objects, spoil: str) -> None:
    """Each way to open a pod, to ask for what nobody has, or to leave a door unguarded is told."""
    spoilt = copy.deepcopy(objects)
    SPOILS[spoil](spoilt)
    assert rules.broken(spoilt)


def test_alerts_ask_for_the_job_of_the_objects(repository: Path) -> None:
    """The one name of a job in the alerts is that of the ServiceMonitor and of the scrape configuration."""
    folder = repository / "deploy/prometheus"
    asked = set(re.findall(r'job="(\w+)"', "".join(path.read_text() for path in sorted((folder / "rules").glob("*.yml")))))
    scraped = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    assert asked == {rules.JOB} == {each["job_name"] for each in scraped}


def test_a_drain_waits_for_a_collector_that_works_and_for_no_other(objects: Objects) -> None:
    """The budget allows no eviction of the one collector, but of one that is not ready."""
    budget = of(objects, "PodDisruptionBudget", "joulemark-collector")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (0, "AlwaysAllow")


def test_images_hold_the_versions_that_were_tested(repository: Path) -> None:
    """Every installation in the Containerfile is bound to the versions of the lock, a program that could make itself root is in none."""
    text = (repository / "deploy/containers/Containerfile").read_text()
    installed = re.findall(r"pip install .*", text)
    assert len(installed) == 2
    assert [line for line in installed if "--constraint /source/versions.txt " not in line] == []
    assert re.search(r"COPY requirements/all\.lock /source/all\.lock\nRUN sed 's/ \.\*//' /source/all\.lock >/source/versions\.txt\n", text)
    assert "-perm /6000 -exec chmod a-s" in text.partition("AS common")[2].partition("USER 65532")[0]


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    """A folder with what the Secrets hold: an authority, and a certificate of the collector for 127.0.0.1."""
    made = certificates.authority(tmp_path / "pki")
    certificates.collector(made)
    return tmp_path / "pki"


@pytest.fixture
def pod(objects: Objects, certified: Path, tmp_path: Path) -> Callable[[str], str]:
    """A function that moves text of the collector's pod to places of this machine."""
    places = {
        "/etc/joulemark/tls": str(certified),
        "/etc/joulemark/collector.toml": str(tmp_path / "collector.toml"),
        "/var/lib/joulemark": str(tmp_path / "data"),
        ":7470": ":0",
        ":7471": ":0",
        "joulemark token": f"{sys.executable} -m joulemark token",
    }

    def moved(text: str) -> str:
        for there, here in places.items():
            text = text.replace(there, here)
        return text

    (tmp_path / "data").mkdir()
    (tmp_path / "collector.toml").write_text(moved(of(objects, "ConfigMap", "joulemark-collector")["data"]["collector.toml"]))
    return moved


def test_the_collector_of_the_pod_starts_after_its_first_token(
    objects: Objects, pod: Callable[[str], str], certified: Path, tmp_path: Path, repository: Path
) -> None:
    """With the pod's configuration a collector refuses to start before the init container's command ran, which changes nothing the second
    time; its health is seen over TLS without a token, its metrics are not, and the token opens them.
    """
    start = [sys.executable, "-m", "joulemark", "collector", "run", "--config", str(tmp_path / "collector.toml"), "--json"]
    refused = run(*start)
    assert (refused.returncode, "token" in refused.stderr) == (2, True), refused.stderr
    (init,) = of(objects, "StatefulSet", "joulemark-collector")["spec"]["template"]["spec"]["initContainers"]
    command = [*init["command"], *map(pod, init["args"])]
    for _ in range(2):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    token = (tmp_path / "data/first.token").read_text().strip()
    with subprocess.Popen(start, stdout=subprocess.PIPE, text=True) as collector:
        try:
            assert collector.stdout is not None
            port = json.loads(collector.stdout.readline())["rest"].rpartition(":")[2]
            alive = repository / "deploy/containers/alive"
            assert run(sys.executable, alive, "collector", port).returncode == 0
            with httpx.Client(
                base_url=f"https://127.0.0.1:{port}", verify=ssl.create_default_context(cafile=certified / "ca.pem")
            ) as asked:
                assert asked.get("/readyz").status_code == 200
                assert asked.get("/metrics").status_code == 401
                assert asked.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        finally:
            collector.terminate()
            collector.wait(60)
    assert run(sys.executable, alive, "collector", port).returncode == 1


def test_the_agent_of_the_pod_has_the_name_of_its_node(objects: Objects, tmp_path: Path) -> None:
    """The init container's command puts the node's name into the configuration, and what comes out is a configuration."""
    (init,) = agent_pod(objects)["initContainers"]
    (tmp_path / "agent.toml").write_text(of(objects, "ConfigMap", "joulemark-agent")["data"]["agent.toml"])
    args = [a.replace("/etc/joulemark", str(tmp_path)).replace("/run/joulemark", f"{tmp_path}/run") for a in init["args"]]
    (tmp_path / "run").mkdir()
    assert run(*init["command"], *args, NODE_NAME="node-7").returncode == 0
    own = tmp_path / "run/agent.toml"
    assert 'agent_id = "node-7"' in own.read_text()
    assert run(sys.executable, "-m", "joulemark", "config", "check", own).returncode == 0


@pytest.mark.parametrize("name", ["agent", "collector", "collector-clickhouse"])
def test_configurations_of_compose_are_good(repository: Path, name: str) -> None:
    """The files name only keys that there are, and listen or speak to nothing beyond loopback."""
    file = repository / "deploy/compose" / f"{name}.toml"
    done = run(sys.executable, "-m", "joulemark", "config", "check", file)
    assert done.returncode == 0, done.stderr
    assert "0.0.0.0" not in file.read_text()


def test_mounts_of_compose_are_there(repository: Path) -> None:
    """Every file that is mounted exists, every volume is declared, and Prometheus listens where Grafana looks for it."""
    folder = repository / "deploy/compose"
    both = [yaml.safe_load((folder / name).read_text()) for name in ("clickhouse.yaml", "compose.yaml")]
    for whole in both:
        sources = [mount.split(":")[0] for service in whole["services"].values() for mount in service["volumes"]]
        assert [s for s in sources if not ((folder / s).exists() if s.startswith(".") else s in whole["volumes"])] == []
    assert "http://127.0.0.1:9090" in (repository / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    assert "--web.listen-address=127.0.0.1:9090" in whole["services"]["prometheus"]["command"]


def test_whose_health_is_waited_for_has_a_check(repository: Path) -> None:
    """A service of Compose that another waits for has a check of its own, since an OCI image holds none; ours run what the images run."""
    folder = repository / "deploy/compose"
    services: dict[str, Any] = {}
    for name in ("clickhouse.yaml", "compose.yaml"):
        services |= {
            service: services.get(service, {}) | told for service, told in yaml.safe_load((folder / name).read_text())["services"].items()
        }
    waited = {
        name for told in services.values() for name, how in told.get("depends_on", {}).items() if how["condition"] == "service_healthy"
    }
    assert waited >= {"collector"}
    assert [name for name in waited if "healthcheck" not in services[name]] == []
    text = (repository / "deploy/containers/Containerfile").read_text()
    checks = {json.loads(found)[1]: json.loads(found) for found in re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.MULTILINE)}
    assert {name: services[name]["healthcheck"]["test"][1:] for name in ("agent", "collector")} == checks


def test_the_shards_of_compose_are_those_of_its_collector(repository: Path) -> None:
    """The collector looks for a shard at every port that a server of ClickHouse serves, as the user and database that it makes."""
    folder = repository / "deploy/compose"
    services = yaml.safe_load((folder / "clickhouse.yaml").read_text())["services"]
    made = [services[name]["environment"] for name in ("shard-a", "shard-b")]
    addresses = [f"http://{of['CLICKHOUSE_USER']}@127.0.0.1:{of['HTTP_PORT']}/{of['CLICKHOUSE_DB']}" for of in made]
    config = tomllib.loads((folder / "collector-clickhouse.toml").read_text())["clickhouse"]
    assert config["shards"] == addresses
    assert {of["CLICKHOUSE_PASSWORD_FILE"] for of in made} == {config["password_file"]}


def test_an_agent_is_alive_while_its_spool_is_written(repository: Path, tmp_path: Path) -> None:
    """A real agent without a collector is alive; a spool that nobody wrote into for longer than a minute is not, nor is none at all."""
    alive = repository / "deploy/containers/alive"
    config = tmp_path / "agent.toml"
    config.write_text('[agent]\ncollector = "127.0.0.1:9"\nbatch_period_ms = 100\n[[meter]]\nkind = "fake"\ninterval_ms = 50\n')
    variables = {"STATE_DIRECTORY": str(tmp_path)}
    assert run(sys.executable, alive, "agent", **variables).returncode == 1
    command = [sys.executable, "-m", "joulemark", "agent", "run", "--config", str(config), "--log-level", "error"]
    with subprocess.Popen(command, env={**os.environ, **variables}) as agent:
        try:
            until_s = time.monotonic() + 30
            while run(sys.executable, alive, "agent", **variables).returncode and time.monotonic() < until_s:
                time.sleep(0.2)
            for file in tmp_path.glob("spool.db*"):
                os.utime(file, (0, 0))
            until_s = time.monotonic() + 30
            while (written := run(sys.executable, alive, "agent", **variables).returncode) and time.monotonic() < until_s:
                time.sleep(0.2)
            assert written == 0
        finally:
            agent.terminate()
            agent.wait(60)
    for file in tmp_path.glob("spool.db*"):
        os.utime(file, (0, 0))
    assert run(sys.executable, alive, "agent", **variables).returncode == 1


def test_the_image_has_all_that_a_wheel_is_made_of(repository: Path) -> None:
    """Every file and folder that the build takes into the wheel is copied into the image before pip builds it there."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"], *wheel["packages"]}
    wanted |= {*wheel["force-include"], *wheel["shared-data"]}
    text = (repository / "deploy/containers/Containerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert [path for path in wanted if not any(f"{path}/".startswith(f"{place}/") for place in copied)] == []
