"""`joulemark pki` as a person calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from joulemark import tls
from joulemark.config import TlsConfig
from joulemark.pki import seal
from tests import certificates
from tests.command import joulemark


def pki(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`joulemark pki` with these arguments; under other variables, a process of its own."""
    if not environment:
        return joulemark("pki", *arguments)
    command = [sys.executable, "-m", "joulemark", "pki", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def answer(*arguments: str | Path, **environment: str) -> dict[str, object]:
    """What it prints with --json."""
    done = pki(*arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_from_nothing_to_a_working_set(tmp_path: Path) -> None:
    """init, issue, renew and revoke, as JSON: files that a daemon takes, and nothing secret among what is printed."""
    folder = tmp_path / "ca"
    made = answer("init", folder)
    issued = answer("issue", "c.example", "--for", "collector", "--ip", "10.0.0.1", "--days", "10", "--ca", folder)
    assert issued["names"] == ["joulemark://collector/c.example", "10.0.0.1"]
    table = TlsConfig(*(Path(str(issued[key])) for key in ("ca_file", "cert_file", "key_file")))
    secret = (table.key_file or folder).read_text().splitlines()[1]
    tls.read(table)
    renewed = answer("renew", "c.example", JOULEMARK_PKI=str(folder))
    assert renewed["key_file"] is None
    assert renewed["serial"] != issued["serial"]
    tls.read(table)
    revoked = answer("revoke", "c.example", "--ca", folder)
    assert sorted(map(str, revoked["serials"])) == sorted([str(issued["serial"]), str(renewed["serial"])])  # type: ignore[call-overload]  # a list
    assert made["revoked_file"] == revoked["revoked_file"]
    assert secret not in json.dumps([made, issued, renewed, revoked])


def test_text_names_the_next_step(tmp_path: Path) -> None:
    """Each command says what to do with what it made."""
    folder = tmp_path / "ca"
    assert f"--ca {folder}" in pki("init", folder).stdout
    issued = pki("issue", "host a", "--for", "agent", "--ca", folder).stdout
    assert 'cert_file = "/etc/joulemark/host%20a.pem"' in issued
    assert "joulemark://agent/host%20a" in issued
    assert "without a restart" in pki("renew", "host a", "--ca", folder).stdout
    assert "key_file = " in pki("renew", "host a", "--new-key", "--ca", folder).stdout
    revoked = pki("revoke", "host a", "--ca", folder).stdout
    assert "revoked 3 certificates of host a" in revoked
    assert f"copy {folder}/revoked.pem to the collector" in revoked
    assert "no certificate of host a was still valid" in pki("revoke", "host a", "--ca", folder).stdout
    assert "joulemark pki issue 'host a' --for agent" in pki("renew", "host a", "--ca", folder).stderr


def test_exit_codes(tmp_path: Path) -> None:
    """2 for what the command line or a file must change, 5 for this machine or an expired authority; one line, no stack trace."""
    folder = tmp_path / "ca"
    certificates.agent(certificates.authority(folder))
    certificates.authority(tmp_path / "old", days_ago=20, days=10)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ca.pem").write_bytes(os.urandom(100))
    cases = [
        (2, "already", ("init", folder)),
        (2, "renew host-a", ("issue", "host-a", "--for", "agent", "--ca", folder)),
        (2, "pki init", ("renew", "host-a", "--ca", tmp_path / "absent")),
        (2, "JOULEMARK_PKI", ("renew", "host-a")),
        (2, "did you mean", ("revoke", "host-aa", "--ca", folder)),
        (2, "no certificate in PEM", ("revoke", "host-a", "--ca", tmp_path / "damaged")),
        (2, "--for", ("issue", "x", "--for", "everybody", "--ca", folder)),
        (2, "--days", ("issue", "x", "--for", "agent", "--days", "0", "--ca", folder)),
        (5, "expired on", ("issue", "x", "--for", "agent", "--ca", tmp_path / "old")),
        (5, "cannot use", ("init", folder / "ca.pem" / "below")),
    ]
    for status, said, arguments in cases:
        done = pki(*arguments, JOULEMARK_PKI="")
        assert (done.returncode, done.stdout) == (status, ""), (arguments, done.stderr)
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_without_cryptography_the_extra_is_named(tmp_path: Path) -> None:
    """On a machine with the plain install the command says what to install, with exit code 5."""
    (tmp_path / "cryptography.py").write_text("raise ImportError('not here')\n")
    done = pki("init", tmp_path / "ca", PYTHONPATH=str(tmp_path))
    assert done.returncode == 5
    assert "pip install 'joulemark[tls]'" in done.stderr


@pytest.mark.parametrize("name", ["a:b", "a/b", "", "a\nb"])
def test_names_that_no_agent_has(tmp_path: Path, name: str) -> None:
    """What the configuration refuses as agent_id gets no certificate."""
    certificates.authority(tmp_path)
    done = pki("issue", name, "--for", "agent", "--ca", tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_seal_key_is_made_once(tmp_path: Path) -> None:
    """The file is its owner's alone and holds the key whose public half was printed; one that is there is not overwritten."""
    made = answer("seal-key", tmp_path / "seal.pem")
    assert (tmp_path / "seal.pem").stat().st_mode & 0o777 == 0o600
    assert made["public_key"] == seal.public_text(seal.read_key(tmp_path / "seal.pem"))
    again = pki("seal-key", tmp_path / "seal.pem")
    assert (again.returncode, "File exists" in again.stderr) == (2, True)
