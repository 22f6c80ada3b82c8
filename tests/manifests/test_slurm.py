"""Jobs of Slurm are marked by prolog and epilog, which see the variables that slurmctld sets and no others, and never end but with 0."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.collector.conftest import Collector

JOB = {
    "SLURM_JOB_ID": "41",
    "SLURM_JOB_NAME": "train",
    "SLURM_JOB_NODELIST": "node[1-2]",
    "SLURM_JOB_USER": "ada",
    "SLURM_JOB_PARTITION": "gpu",
}
BROKEN = {
    "missing": None,
    "no shell": "joulemark=(((\n",
    "ends": "exit 3\n",
    "unset": "joulemark=$nothing_of_this_name\n",
    "no program": "joulemark=/nonexistent\nstate={state}\npatience_s=5\nsettle_s=5\n",
    "hanging": "joulemark={hanging}\nstate={state}\npatience_s=0.5\nsettle_s=0.5\n",
    "no place": "joulemark={program}\nstate=/proc/nonexistent\npatience_s=5\nsettle_s=5\n",
    "no configuration": "joulemark={program}\nstate={state}\npatience_s=5\nsettle_s=5\nexport JOULEMARK_CONFIG=/nonexistent.toml\n",
}


@pytest.fixture
def scripts(repository: Path, tmp_path: Path) -> Path:
    """A folder with both scripts, as an administrator copies them; what `settings` writes lies beside them."""
    return Path(shutil.copytree(repository / "deploy/slurm", tmp_path / "slurm"))


def settings(scripts: Path, text: str, url: str = "http://127.0.0.1:9") -> Path:
    """Write the settings with the places of this test, and give the folder of the state."""
    program, hanging, state = (scripts.parent / name for name in ("joulemark", "hanging", "state"))
    program.write_text(f'#!/bin/sh\nexport PYTHONPATH={os.environ.get("PYTHONPATH", "")}\nexec {sys.executable} -m joulemark "$@"\n')
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    client = scripts.parent / "client.toml"
    client.write_text(f'[client]\nurl = "{url}"\n')
    for made in (program, hanging):
        made.chmod(0o755)
    (scripts / "settings.sh").write_text(text.format(program=program, hanging=hanging, state=state, client=client))
    return state


GOOD = "joulemark={program}\nstate={state}\npatience_s=60\nsettle_s=60\nexport JOULEMARK_CONFIG={client}\n"


def script(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A script as slurmctld starts it: its environment holds what is given, and nothing else."""
    return subprocess.run([path], env=variables, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that agents could speak to; there are none."""
    started = Collector(tmp_path_factory.mktemp("collector")).start()
    yield started
    started.stop()


def left(state: Path) -> list[Path]:
    """Files of the state, but for the lock of those that write marks."""
    return [path for path in state.rglob("*") if path.is_file() and path.name != "lock"]


def run_of(collector: Collector, job: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the one run of a job, its phases)."""
    (made,) = [each for each in httpx.get(f"{collector.rest}/v1/runs").json() if each["labels"]["slurm_job_id"] == job]
    return made, httpx.get(f"{collector.rest}/v1/runs/{made['run_id']}").json()["phases"]


def test_a_job_is_a_run(collector: Collector, scripts: Path) -> None:
    """A stopped run with the job's labels and one phase, which does not count when the job failed; nothing is left in the state."""
    state = settings(scripts, GOOD, collector.rest)
    for name in ("prolog.sh", "epilog.sh"):
        done = script(scripts / name, **JOB, SLURM_JOB_EXIT_CODE="256")
        assert done.returncode == 0, done.stderr
    assert left(state) == []
    made, (phase,) = run_of(collector, "41")
    assert (made["labels"]["slurm_nodes"], made["labels"]["slurm_user"]) == ("node[1-2]", "ada")
    assert made["stopped_ns"]
    assert (phase["name"], phase["kind"], phase["aborted"]) == ("job", "measured", "job ended with 256")


def test_names_that_no_label_may_have_are_shortened(collector: Collector, scripts: Path) -> None:
    """A list of nodes longer than a label, and a name with a line break or of no ASCII, keep no job from having a run."""
    settings(scripts, GOOD, collector.rest)
    nodes = ",".join(f"node-{number:05}" for number in range(500))
    job = {**JOB, "SLURM_JOB_ID": "42", "SLURM_JOB_NAME": "größer\nund --mehr", "SLURM_JOB_NODELIST": nodes}
    assert script(scripts / "prolog.sh", **job).returncode == 0
    made, _ = run_of(collector, "42")
    assert nodes.startswith(made["labels"]["slurm_nodes"])
    assert made["benchmark"] == "slurm größer?und --mehr"


def test_marks_wait_for_a_collector_that_is_away(collector: Collector, scripts: Path) -> None:
    """When it goes during the job the epilog ends with 0, and what it marked lies in the state until it is sent again."""
    state = settings(scripts, GOOD, collector.rest)
    job = {**JOB, "SLURM_JOB_ID": "43"}
    assert script(scripts / "prolog.sh", **job).returncode == 0
    made, _ = run_of(collector, "43")
    settings(scripts, GOOD)
    assert script(scripts / "epilog.sh", **job).returncode == 0
    (kept,) = left(state)
    assert kept.parent.name == "marks"
    again = [scripts.parent / "joulemark", "run", "resend", made["run_id"], "--url", collector.rest]
    assert subprocess.run(again, env={"STATE_DIRECTORY": str(state)}, capture_output=True, timeout=60, check=False).returncode == 0
    made, (phase,) = run_of(collector, "43")
    assert (bool(made["stopped_ns"]), phase["aborted"]) == (True, "")


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", ["prolog.sh", "epilog.sh"])
def test_nothing_keeps_a_job_from_starting_or_ending(scripts: Path, broken: str, name: str) -> None:
    """Whatever is wrong with the settings, the program or its place, the status is 0, within the patience."""
    state = settings(scripts, BROKEN[broken] or "")
    if BROKEN[broken] is None:
        (scripts / "settings.sh").unlink()
    state.mkdir()
    (state / "41").write_text("00000000-0000-7000-8000-000000000000\n")
    assert script(scripts / name, **JOB).returncode == 0
    assert script(scripts / name).returncode == 0


def test_the_settings_that_are_shipped_are_whole(repository: Path) -> None:
    """Every variable that a script takes from the settings has a value in them."""
    folder = repository / "deploy/slurm"
    asked = "set -eu; . ./settings.sh; : $joulemark $state $patience_s $settle_s"
    assert subprocess.run(["bash", "-c", asked], cwd=folder, env={}, check=False).returncode == 0
    taken = "".join((folder / name).read_text() for name in ("prolog.sh", "epilog.sh"))
    assert all(f"${name}" in taken for name in ("joulemark", "state", "patience_s", "settle_s"))
