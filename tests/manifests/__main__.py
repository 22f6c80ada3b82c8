"""What `deploy/` holds for containers and clusters, judged by other people's programs: `python -m tests.manifests`, `make deploy-check`.

Helm's own library lints the chart and renders it with several values; every object is held against the schema of the API of KUBERNETES, and
against our rules; `deploy/kubernetes` must be what the chart gives without values (WRITE=1 writes it); hadolint reads the Containerfile,
ShellCheck the scripts of Slurm, compose-spec the Compose file. The last line counts objects and findings; exit 0 only without a finding.
`MUTATE=privileged|schema|token` spoils the rendered objects, which must end red.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import compose_spec
import helm_python
import kubernetes_validate
import yaml

from tests.manifests import rules

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
CHART: Final = DEPLOY / "helm" / "joulemark"
RENDERED: Final = DEPLOY / "kubernetes" / "joulemark.yaml"
KUBERNETES: Final = ("1.27", "1.34")
CUSTOM: Final = ("ServiceMonitor",)
"""Kinds that are not of Kubernetes itself; no schema of theirs is at hand, our rules look at what they ask."""
VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "without values": {},
    "with GPUs and RAPL": {
        "agent": {"runtimeClassName": "nvidia", "hostSysfs": True, "supplementalGroups": [990], "spoolHostPath": "/var/lib/joulemark-agent"}
    },
    "without monitoring": {"serviceMonitor": {"enabled": False}, "networkPolicy": {"enabled": True, "restFrom": []}},
    "a collector alone": {
        "agent": {"enabled": False},
        "collector": {"storageClassName": "fast", "maxUnavailable": 1, "config": "[limits]\nmax_agents = 8\n"},
    },
}
WRONG: Final = (
    {"collector": {"storage": "lots"}},
    {"collector": {"maxUnavailable": 2}},
    {"agent": {"privileged": True}},
    {"images": {"agent": ""}},
)
"""Values that the chart's schema must refuse."""
SPOILT: Final = {
    "privileged": ("privileged: false", "privileged: true"),
    "schema": ("serviceName:", "serviceNmae:"),
    "token": ("name: first-token", "name: other"),
}
HEAD: Final = "# Made from deploy/helm/joulemark without values, in the namespace joulemark: kubectl apply -n joulemark -f joulemark.yaml\n"


def rendered(values: Mapping[str, Any]) -> str:
    """Text of all objects of the chart, files in order."""
    with helm_python.Chart.load(str(CHART)) as chart:
        files = chart.render(dict(values), name="joulemark", namespace="joulemark")
    return "---\n" + "---\n".join(f"{text.strip()}\n" for _, text in sorted(files.items()) if text.strip())


def refused(each: Mapping[str, Any]) -> Iterator[str]:
    """Why the API of each version would not take an object."""
    for version in () if each["kind"] in CUSTOM else KUBERNETES:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            yield f"{each['kind']} {each['metadata']['name']}, Kubernetes {version}: {str(error).splitlines()[0]}"


def said(*command: str | Path) -> list[str]:
    """Lines that a linter of this environment has to say; none where it is content."""
    program = Path(sys.executable).with_name(str(command[0]))
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=120, check=False)
    return [f"{command[0]}: {line}" for line in (done.stdout + done.stderr).splitlines() if line.strip()] if done.returncode else []


def chart(mutation: str) -> tuple[int, list[str]]:
    """(objects seen, findings) of the chart with each of VALUES."""
    lint = helm_python.lint(str(CHART))
    found = [f"helm lint: {message['path']}: {message['error']}" for message in lint["messages"] if message["severity"] > 1]
    found += [f"helm lint: {error}" for error in lint["errors"]]
    count = 0
    for name, values in VALUES.items():
        text = rendered(values)
        if mutation:
            text = text.replace(*SPOILT[mutation])
        objects = [each for each in yaml.safe_load_all(text) if each]
        count += len(objects)
        found += [f"{name}: {fault}" for fault in (*rules.broken(objects), *(why for each in objects for why in refused(each)))]
    for wrong in WRONG:
        try:
            rendered(wrong)
        except helm_python.HelmError:
            continue
        found.append(f"values.schema.json takes {wrong}")
    return count, found


def others() -> list[str]:
    """Findings outside of the chart."""
    whole = HEAD + rendered({})
    if os.environ.get("WRITE"):
        RENDERED.write_text(whole, encoding="utf-8")
    found = (
        [] if RENDERED.read_text(encoding="utf-8") == whole else [f"{RENDERED.name} is not what the chart gives: WRITE=1 make deploy-check"]
    )
    found += said("hadolint", DEPLOY / "containers" / "Containerfile")
    found += said("shellcheck", *sorted((DEPLOY / "slurm").glob("*.sh")))
    for compose in sorted((DEPLOY / "compose").glob("*.yaml")):
        try:
            merged = yaml.safe_load(compose.read_text(encoding="utf-8"))  # which the library does not do: <<
            compose_spec.PyCompose.from_yaml(yaml.safe_dump(merged)).validate()
        except ValueError as error:
            found.append(f"{compose.name}: {error}")
    return found


def main() -> int:
    """Judge, print, exit."""
    count, found = chart(os.environ.get("MUTATE", ""))
    found += others()
    for fault in found:
        print(fault, file=sys.stderr)
    print(json.dumps({"objects": count, "helm": helm_python.helm_sdk_version(), "kubernetes": list(KUBERNETES), "findings": len(found)}))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
