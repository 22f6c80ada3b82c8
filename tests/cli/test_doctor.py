"""`joulemark doctor`: exit codes, and one array of findings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from joulemark.cli.doctor import command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def test_exit_codes_and_json(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """A machine without failures exits 0, one with a failure 5, and `--json` is one array of findings."""
    file = tmp_path / "joulemark.toml"
    tables = (
        f'[agent]\ncollector = "127.0.0.1:{free_port()}"\n[spool]\npath = "{tmp_path}/spool.db"\n[collector]\ndata_dir = "{tmp_path}"\n'
        f'grpc_listen = "127.0.0.1:{free_port()}"\nrest_listen = "127.0.0.1:{free_port()}"\n[[meter]]\nkind = "fake"\n'
    )
    file.write_text(tables)
    good = run("--config", str(file), "--json")
    assert good.exit_code == 0, good.output
    found = json.loads(good.stdout)
    assert {"python", "sqlite", "configuration", "meter nvml", "meter rapl", "meter fake", "clock", "disk", "prices"} <= {
        f["name"] for f in found
    }
    assert all(set(f) == {"name", "status", "detail", "mend"} for f in found)
    assert all(f["mend"] for f in found if f["status"] != "ok")
    file.write_text(tables + f'[[meter]]\nkind = "rapl"\nroot = "{tmp_path}"\n')
    bad = run("--config", str(file))
    assert bad.exit_code == 5
    assert "fail  meter rapl" in bad.stdout
    assert "mend: " in bad.stdout
