"""The files of `[tls]`: whole, private, a pair, and followed when they change."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark import tls
from joulemark.config import TlsConfig
from joulemark.errors import ConfigError
from tests import certificates


@pytest.fixture
def good(tmp_path: Path) -> TlsConfig:
    """A good set of files."""
    made = certificates.authority(tmp_path / "ca")
    certificates.collector(made)
    return certificates.table(made, "collector")


def test_a_good_set_is_read_whole(good: TlsConfig) -> None:
    """Each file's bytes are handed out as they are; without files there is nothing, and nothing is an error."""
    assert good.ca_file
    assert good.cert_file
    assert good.key_file
    pem = tls.read(good)
    assert (pem.authority, pem.cert, pem.key) == tuple(f.read_bytes() for f in (good.ca_file, good.cert_file, good.key_file))
    assert pem.pair == (pem.key, pem.cert)
    assert tls.read(TlsConfig()).pair is None


@pytest.mark.parametrize("missing", ["cert_file", "key_file"])
def test_half_a_pair_is_refused(good: TlsConfig, missing: str) -> None:
    """A certificate without its key, or a key without its certificate, names both keys."""
    with pytest.raises(ConfigError, match=r"tls\.cert_file and tls\.key_file are not both given"):
        tls.read(dataclasses.replace(good, **{missing: None}))


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_a_file_that_cannot_be_read_names_its_key(good: TlsConfig, tmp_path: Path, name: str) -> None:
    """A missing file, a folder, and a file larger than any of certificates are errors about their own key."""
    (tmp_path / "large").write_bytes(b"\n" * (tls.LARGEST_BYTES + 1))
    for path in (tmp_path / "absent", tmp_path, tmp_path / "large"):
        with pytest.raises(ConfigError, match=rf"tls\.{name}: "):
            tls.read(dataclasses.replace(good, **{name: path}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(max_size=300), place=st.integers(0, 700), name=st.sampled_from(["ca_file", "cert_file", "key_file"]))
def test_garbage_is_a_configuration_error(good: TlsConfig, tmp_path: Path, garbage: bytes, place: int, name: str) -> None:
    """Any bytes instead of a file, or in the middle of one, are refused or read; nothing else is raised, and no passphrase asked."""
    real = getattr(good, name).read_bytes()
    for data in (garbage, real[:place] + garbage + real[place:], real[:place]):
        path = tmp_path / "file"
        path.write_bytes(data)
        path.chmod(0o600)
        try:
            tls.read(dataclasses.replace(good, **{name: path}))
        except ConfigError:
            continue
        assert b"-----BEGIN" in data


def test_a_key_with_a_passphrase_is_refused(good: TlsConfig, tmp_path: Path) -> None:
    """A daemon cannot ask for a passphrase: the error says so instead of waiting at a terminal."""
    path = tmp_path / "locked.key"
    command = ["openssl", "ec", "-aes128", "-passout", "pass:secret", "-in", str(good.key_file), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="without a passphrase"):
        tls.read(dataclasses.replace(good, key_file=path))


def test_the_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    """A certificate and a key that do not belong together are named together."""
    made = certificates.authority(tmp_path / "ca")
    certificates.collector(made)
    other = certificates.agent(made)
    with pytest.raises(ConfigError, match="key values mismatch"):
        tls.read(dataclasses.replace(certificates.table(made, "collector"), key_file=other.key_file))


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o400, False), (0o640, False), (0o660, True), (0o644, True), (0o604, True)])
def test_a_key_that_others_may_read_is_refused(good: TlsConfig, mode: int, refused: bool) -> None:
    """A key is its owner's; one that root owns may be readable by a group, as a mounted secret is. The mend is a command."""
    assert good.key_file
    good.key_file.chmod(mode)
    if os.geteuid() != 0 and mode & 0o077:
        refused = True
    if refused:
        with pytest.raises(ConfigError, match=f"chmod 600 {good.key_file}"):
            tls.read(good)
    else:
        tls.read(good)


def test_changed_files_are_noticed_once(tmp_path: Path) -> None:
    """A renewed certificate is handed out once and kept; files that stay as they are, or say the same, are no news."""
    made = certificates.authority(tmp_path / "ca")
    certificates.collector(made)
    watch = tls.Watch(certificates.table(made, "collector"))
    before = watch.pem
    assert watch.renewed() is None
    (made.folder / "collector.pem").touch()
    assert watch.renewed() is None
    made.renew("collector")
    fresh = watch.renewed()
    assert fresh is not None
    assert fresh.cert != before.cert
    assert watch.pem is fresh
    assert watch.renewed() is None


def test_a_half_written_set_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Half a file and a key without its new certificate are logged once, and what was in use stays until the set is good again."""
    made = certificates.authority(tmp_path / "ca")
    certificates.collector(made)
    table = certificates.table(made, "collector")
    assert table.cert_file
    assert table.key_file
    watch = tls.Watch(table)
    before = watch.pem
    whole, key = table.cert_file.read_bytes(), table.key_file.read_bytes()
    with caplog.at_level(logging.WARNING):
        table.cert_file.write_bytes(whole[:200])
        assert [watch.renewed() for _ in range(3)] == [None] * 3
        table.cert_file.write_bytes(whole)
        made.renew("collector", new_key=True)
        renewed = table.cert_file.read_bytes()
        table.cert_file.write_bytes(whole)
        assert watch.renewed() is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert watch.pem == before
    table.cert_file.write_bytes(renewed)
    fresh = watch.renewed()
    assert fresh is not None
    assert fresh.key != key


def test_the_identity_is_a_uri_without_a_loophole() -> None:
    """Whatever a name holds, its URI has one part behind the role, so that no name can pass for another's."""
    assert tls.identity_uri("agent", "host a/b:c%20") == "joulemark://agent/host%20a%2Fb%3Ac%2520"
