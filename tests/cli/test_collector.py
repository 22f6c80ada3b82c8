"""`joulemark collector`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "joulemark", "collector", "run", "--config"]


def test_it_says_where_it_listens_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    """Three lines on stdout once it is ready, with the ports it really has and the folder it made; SIGINT ends it with status 0."""
    config = tmp_path / "c.toml"
    config.write_text(f'[collector]\ngrpc_listen = "127.0.0.1:0"\nrest_listen = "127.0.0.1:0"\ndata_dir = "{tmp_path}/data"\n')
    with subprocess.Popen([*COMMAND, config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert [line[0] for line in lines] == ["agents:", "pages:", "data:"], errors
    (_, agents), (_, pages), (_, data) = lines
    assert agents.startswith("127.0.0.1:")
    assert agents != "127.0.0.1:0"
    assert pages.startswith("http://127.0.0.1:")
    assert data == f"{tmp_path}/data"
    assert (tmp_path / "data" / "readings.db").exists()
    assert (process.returncode, rest) == (0, ""), errors


def test_a_misspelt_key_ends_the_start_before_anything_is_made(tmp_path: Path) -> None:
    """Status 2, the nearest valid key, nothing on stdout, no folder."""
    config = tmp_path / "c.toml"
    config.write_text(f'[collector]\ndata_dri = "{tmp_path}/data"\n')
    done = subprocess.run([*COMMAND, config, "--json"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'data_dir'" in done.stderr
    assert not (tmp_path / "data").exists()
