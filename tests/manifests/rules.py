"""What objects of Kubernetes must keep to, beside being objects that the API would take: the product's own rules of security."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]
RUNNING = ("StatefulSet", "DaemonSet", "Deployment")
ASKED_ONCE = "first-token"
JOB = "joulemark"
"""Name of the job that the alerts ask for."""
GPUS = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "utility"}
"""Without the first NVIDIA's runtime gives a container nothing."""
HOST_PATHS = ("/sys/class", "/sys/devices")
"""Folders of the node that may be mounted, read-only."""


def pods(objects: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    """(name, specification) of the pods that the objects make."""
    for each in objects:
        if each["kind"] in RUNNING:
            yield f"{each['kind']} {each['metadata']['name']}", each["spec"]["template"]["spec"]


def opened(name: str, pod: Object) -> Iterator[str]:
    """What gives a pod more than it needs."""
    own = pod.get("securityContext", {})
    if own.get("runAsNonRoot") is not True or own.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{name}: may run as root, or without a filter of system calls"
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")) or pod.get("automountServiceAccountToken") is not False:
        yield f"{name}: sees the host's network or processes, or holds a token of the API"
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        given, place = container.get("securityContext", {}), f"{name}, {container['name']}"
        wanted = {"allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        yield from (f"{place}: {key} is {given.get(key)}" for key, value in wanted.items() if given.get(key) != value)
        if not container.get("resources", {}).get("limits", {}).get("memory"):
            yield f"{place}: no limit of memory"
        if any("secretKeyRef" in entry.get("valueFrom", {}) for entry in container.get("env", ())) or container.get("envFrom"):
            yield f"{place}: a secret in its environment"
        if "/" in container["image"].partition(":")[0] or container["image"].endswith(":latest") or ":" not in container["image"]:
            yield f"{place}: an image of somebody's registry, or without a version"
    for container in pod["containers"]:
        if "livenessProbe" not in container:
            yield f"{name}, {container['name']}: nobody sees when it hangs"
    for volume in pod.get("volumes", ()):
        if "secret" in volume and volume["secret"].get("defaultMode") != 0o440:
            yield f"{name}: secret {volume['name']} can be read by others"


def blind(name: str, pod: Object) -> Iterator[str]:
    """GPUs that a pod of NVIDIA's runtime does not see, and folders of the node that it sees or may write without need."""
    folders = {volume["name"]: volume["hostPath"]["path"] for volume in pod.get("volumes", ()) if "hostPath" in volume}
    for container in pod["containers"]:
        given = {entry["name"]: entry.get("value") for entry in container.get("env", ())}
        if pod.get("runtimeClassName") and GPUS.items() - given.items():
            yield f"{name}, {container['name']}: of a runtime for GPUs, and asks it for none"
        for mount in container["volumeMounts"]:
            path = folders.get(mount["name"])
            if (
                path
                and path.startswith(("/sys", "/proc", "/dev", "/etc"))
                and (path not in HOST_PATHS or mount.get("readOnly") is not True)
            ):
                yield f"{name}, {container['name']}: {path} of the node can be written, or is none of {', '.join(HOST_PATHS)}"


def parted(objects: Iterable[Object]) -> Iterator[str]:
    """Selectors that choose nothing, and ports that nobody has."""
    objects = list(objects)
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in objects if each["kind"] in RUNNING]
    ports = {port["name"] for _, pod in pods(objects) for container in pod["containers"] for port in container.get("ports", ())}
    chosen: list[tuple[str, Object]] = []
    asked: list[tuple[str, str]] = []
    for each in objects:
        name, spec = f"{each['kind']} {each['metadata']['name']}", each.get("spec", {})
        match each["kind"]:
            case "Service":
                chosen.append((name, spec["selector"]))
                asked += [(name, port["targetPort"]) for port in spec["ports"]]
            case "NetworkPolicy":
                chosen.append((name, spec["podSelector"]["matchLabels"]))
                asked += [(name, port["port"]) for rule in spec["ingress"] for port in rule["ports"]]
            case "PodDisruptionBudget" | "StatefulSet" | "DaemonSet":
                chosen.append((name, spec["selector"]["matchLabels"]))
            case "ServiceMonitor":
                asked += [(name, endpoint["port"]) for endpoint in spec["endpoints"]]
    for name, selector in chosen:
        if not any(selector.items() <= label.items() for label in labels):
            yield f"{name}: selects no pod"
    yield from (f"{name}: no pod has a port {port}" for name, port in asked if port not in ports)


def bare(objects: Iterable[Object]) -> Iterator[str]:
    """A collector that listens to others without certificates, that nothing makes a token for, or whose port is open to everybody."""
    objects = list(objects)
    for each in objects:
        text = each.get("data", {}).get("collector.toml", "") if each["kind"] == "ConfigMap" else ""
        if not re.search(r'_listen = "(?!127\.)', text):
            continue
        missing = [key for key in ("ca_file", "cert_file", "key_file", "revoked_file") if f"\n{key} = " not in text]
        if missing or "insecure" in text:
            yield f"{each['metadata']['name']}: listens beyond loopback without {', '.join(missing) or 'TLS'}"
        if not any(c["name"] == ASKED_ONCE for _, pod in pods(objects) for c in pod.get("initContainers", ())):
            yield f"{each['metadata']['name']}: no token is made before the collector starts"
        if not any(o["kind"] == "NetworkPolicy" and o["metadata"]["name"] == each["metadata"]["name"] for o in objects):
            yield f"{each['metadata']['name']}: no NetworkPolicy says who may come"
    for each in objects:
        if each["kind"] == "ServiceMonitor":
            wanted, named = each["spec"]["selector"]["matchLabels"], each["spec"].get("jobLabel", "")
            services = [o["metadata"] for o in objects if o["kind"] == "Service" and wanted.items() <= o["metadata"]["labels"].items()]
            if {of["labels"].get(named, of["name"]) for of in services} != {JOB}:
                yield f"ServiceMonitor {each['metadata']['name']}: its job is not called {JOB}, and no alert would see it"
        for endpoint in each["spec"]["endpoints"] if each["kind"] == "ServiceMonitor" else ():
            if endpoint.get("scheme") != "https" or "authorization" not in endpoint or "ca" not in endpoint.get("tlsConfig", {}):
                yield f"ServiceMonitor {each['metadata']['name']}: asks without TLS, authority or token"


def broken(objects: Iterable[Object]) -> list[str]:
    """All of it."""
    objects = list(objects)
    return [fault for name, pod in pods(objects) for fault in (*opened(name, pod), *blind(name, pod))] + [*parted(objects), *bare(objects)]
