"""Certificates that systemd shows to a running service can be checked while it is stopped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from joulemark.cli import doctor
from joulemark.cli.credentials import lying
from joulemark.config import AgentConfig, Config, TlsConfig
from tests import certificates


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, Path, Config]:
    """(where a service is shown files, the store that they are taken from, the configuration of agent node-7); the service is stopped."""
    made = certificates.authority(tmp_path / "pki")
    certificates.agent(made, "node-7")
    shown, store = tmp_path / "credentials", tmp_path / "credstore"
    own = shown / "joulemark-agent.service"
    store.mkdir()
    for name, stem in (("ca.pem", "joulemark-ca.pem"), ("node-7.pem", "joulemark-agent.pem"), ("node-7.key", "joulemark-agent.key")):
        shutil.copy(tmp_path / "pki" / name, store / stem)
    tls = TlsConfig(own / "joulemark-ca.pem", own / "joulemark-agent.pem", own / "joulemark-agent.key")
    return shown, store, Config(agent=AgentConfig(agent_id="node-7"), tls=tls)


def test_a_stopped_service_has_its_certificates_checked(stored: tuple[Path, Path, Config]) -> None:
    """Every check of certificates passes on the files of the store; without them the first one fails."""
    shown, store, config = stored
    assert [finding.status for finding in doctor.certificates(config)] == ["fail"]
    found = list(doctor.certificates(lying(config, shown=shown, store=store)))
    assert {finding.status for finding in found} == {"ok"}
    assert "certificate identity" in {finding.name for finding in found}


def test_what_is_shown_or_lies_elsewhere_stays(stored: tuple[Path, Path, Config], tmp_path: Path) -> None:
    """A file that the running service is shown, one that no store has, and one of another folder are named as before."""
    shown, store, config = stored
    own = shown / "joulemark-agent.service"
    own.mkdir(parents=True)
    shutil.copy(store / "joulemark-agent.pem", own)
    (store / "joulemark-ca.pem").unlink()
    moved = lying(config, shown=shown, store=store).tls
    assert (moved.cert_file, moved.ca_file, moved.key_file) == (
        own / "joulemark-agent.pem",
        own / "joulemark-ca.pem",
        store / "joulemark-agent.key",
    )
    elsewhere = Config(tls=TlsConfig(tmp_path / "nowhere" / "joulemark-ca.pem"))
    assert lying(elsewhere, shown=shown, store=store) == elsewhere
