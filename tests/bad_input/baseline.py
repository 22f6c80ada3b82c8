"""Every door must open for a valid input, or its refusals would prove nothing; and what changes no meaning changes no answer."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bad_input import valid
from tests.bad_input.case import Case, command, config_file, power_log, price_file, run_file, trace_file, write
from tests.bad_input.documents import prices_toml
from tests.bad_input.doors import command_line
from tests.bad_input.mutations import harmless

NO_NAME = "nothing"


def bundle(folder: Path) -> list[str]:
    """A whole bundle for compute."""
    valid.bundle(folder)
    return ["compute", "--power", "energy/readings", "--benchmark", "energy", "--json"]


def aiperf(folder: Path) -> list[str]:
    """An artifact folder for import."""
    valid.aiperf(folder)
    return ["import", "aiperf", "artifacts", "--json"]


def mlperf(folder: Path) -> list[str]:
    """LoadGen's log and PTDaemon's, for compute."""
    write(folder / "mlperf_log_detail.txt", valid.mlperf())
    write(folder / "spl.txt", valid.spl())
    return ["compute", "--power", "spl.txt", "--benchmark", ".", "--tz", "UTC", "--json"]


def cases() -> list[Case]:
    """A valid input for each door."""
    return [
        power_log("valid", valid.plain()),
        power_log("valid nvidia-smi", valid.nvidia_smi()),
        power_log("valid telemetry", valid.telemetry(), file="t.jsonl"),
        command("bundle", "valid", bundle, NO_NAME),
        command("AIPerf", "valid", aiperf, NO_NAME),
        command("MLPerf", "valid", mlperf, NO_NAME),
        run_file("valid", valid.run()),
        price_file("valid", valid.prices()),
        price_file("valid TOML", prices_toml(), suffix="toml"),
        config_file("valid", valid.config(), NO_NAME),
        trace_file("valid", valid.trace()),
    ]


def differing(seed: int, count: int, folder: Path) -> list[str]:
    """Of `count` texts that mean the same, those whose answer is not exactly that of the unchanged one."""
    answers = {}
    for text, name in [(json.dumps(valid.run()), "unchanged"), *harmless(seed, count)]:
        (folder / "run.json").write_text(text)
        answer = command_line(["import", "joulemark", "run.json", "--json"], folder)
        answers[name] = (answer.status, answer.told)
    return [f"{name}: {answer}, not {answers['unchanged']}" for name, answer in answers.items() if answer != answers["unchanged"]]
