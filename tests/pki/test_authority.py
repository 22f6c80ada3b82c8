"""`init`, `issue`, `renew` and `revoke` of an authority."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark import tls
from joulemark.errors import EnvironmentFailed, FormatError, UsageError
from joulemark.pki.authority import Authority
from joulemark.pki.subject import Role, Subject
from joulemark.timebase import SystemClock
from tests import certificates
from tests.certificates import DAY_NS, Shifted
from tests.conftest import ManualClock

CLOCK = SystemClock()
MINUTE_NS = 60 * 1_000_000_000


def test_a_new_authority_keeps_its_key_to_itself(tmp_path: Path) -> None:
    """Its key is readable by its owner alone, its certificate by all, and a second one is not made over it."""
    made = certificates.authority(tmp_path / "ca")
    assert {p.name: p.stat().st_mode & 0o777 for p in made.folder.iterdir()} == {"ca.key": 0o600, "ca.pem": 0o644, "revoked.pem": 0o644}
    assert made.folder.stat().st_mode & 0o777 == 0o700
    before = made.certificate_file.read_bytes()
    with pytest.raises(UsageError, match="an authority already"):
        Authority.create(made.folder, CLOCK)
    assert made.certificate_file.read_bytes() == before


def test_validity_is_of_the_clock_handed_in(tmp_path: Path) -> None:
    """Valid from five minutes before, for hosts whose clock is behind; for the days asked; never longer than the authority."""
    clock = ManualClock()
    made = Authority.create(tmp_path, clock, days=100)
    now_ns = clock.utc_ns() // 1_000_000_000 * 1_000_000_000
    assert (made.certificate.not_before_ns, made.certificate.not_after_ns) == (now_ns - 5 * MINUTE_NS, now_ns + 100 * DAY_NS)
    short = certificates.agent(made, "short", days=10).certificate
    assert (short.not_before_ns, short.not_after_ns) == (now_ns - 5 * MINUTE_NS, now_ns + 10 * DAY_NS)
    assert certificates.agent(made, "long", days=1000).certificate.not_after_ns == made.certificate.not_after_ns


def test_a_name_has_one_certificate(tmp_path: Path) -> None:
    """A second issue is refused until the first is revoked; numbers are never the same, nor are keys."""
    made = certificates.authority(tmp_path)
    first = certificates.agent(made)
    assert first.key_file is not None
    assert first.key_file.stat().st_mode & 0o777 == 0o600
    key = first.key_file.read_bytes()
    with pytest.raises(UsageError, match="joulemark pki renew host-a"):
        certificates.agent(made)
    made.revoke("host-a")
    second = certificates.agent(made)
    assert second.certificate.serial != first.certificate.serial
    assert second.key_file is not None
    assert second.key_file.read_bytes() != key


@pytest.mark.parametrize("name", ["ca", "revoked"])
def test_files_of_the_authority_are_no_names(tmp_path: Path, name: str) -> None:
    """A host of that name would overwrite the authority."""
    made = certificates.authority(tmp_path)
    before = made.certificate_file.read_bytes()
    for attempt in (lambda: certificates.agent(made, name), lambda: made.renew(name), lambda: made.revoke(name)):
        with pytest.raises(UsageError):
            attempt()
    assert made.certificate_file.read_bytes() == before


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "a b", "ä" * 10, "*", "-rf"])
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    """Whatever an agent is called, its files lie in the folder, and the name reads back."""
    made = certificates.authority(tmp_path / "ca")
    issued = certificates.agent(made, name)
    assert issued.cert_file.resolve().parent == made.folder.resolve()
    assert issued.certificate.name == name
    assert [p.name for p in tmp_path.iterdir()] == ["ca"]
    assert made.revoke(name) == [issued.certificate.serial]


def test_renewal_keeps_names_and_key(tmp_path: Path) -> None:
    """Only the certificate is new, so that nothing secret has to travel, and the host may have the key alone; with a new key both."""
    made = certificates.authority(tmp_path)
    first = made.issue(Subject("c", Role.COLLECTOR, dns=("c.example",), ip=("10.0.0.1", "::1")))
    assert first.key_file is not None
    key = first.key_file.read_bytes()
    second = made.renew("c", days=20)
    assert second.key_file is None
    assert second.certificate.names == first.certificate.names
    assert first.key_file.read_bytes() == key
    tls.read(certificates.table(made, "c"))
    first.key_file.unlink()
    third = made.renew("c", new_key=True)
    assert third.key_file == first.key_file
    assert third.key_file.read_bytes() != key
    assert len({c.certificate.serial for c in (first, second, third)}) == 3


def test_revoking_a_name_reaches_its_older_certificates(tmp_path: Path) -> None:
    """Every certificate of the name that is still valid is revoked, one that expired is not listed, and no other name is touched."""
    made = certificates.authority(tmp_path, days_ago=30)
    certificates.agent(made, days=10)
    certificates.agent(made, "host-a2")
    now = Authority(tmp_path, CLOCK)
    kept = [now.renew("host-a").certificate.serial for _ in range(2)]
    assert sorted(now.revoke("host-a")) == sorted(kept)
    assert now.revoke("host-a") == []
    with pytest.raises(UsageError, match="is revoked"):
        now.renew("host-a")
    now.renew("host-a2")


def test_revoking_does_not_depend_on_the_archive(tmp_path: Path) -> None:
    """The newest certificate is revoked although somebody tidied `issued` away."""
    made = certificates.authority(tmp_path)
    serial = certificates.agent(made).certificate.serial
    shutil.rmtree(tmp_path / "issued")
    assert made.revoke("host-a") == [serial]


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    """Nothing is revoked for a slip of the pen."""
    made = certificates.authority(tmp_path)
    certificates.agent(made, "node-7")
    for attempt in (made.renew, made.revoke):
        with pytest.raises(UsageError, match="did you mean 'node-7'"):
            attempt("node7")


def test_an_expired_authority_says_so(tmp_path: Path) -> None:
    """An authority whose time is over signs nothing."""
    certificates.authority(tmp_path, days_ago=20, days=10)
    with pytest.raises(EnvironmentFailed, match="expired on"):
        Authority(tmp_path, CLOCK)
    Authority(tmp_path, Shifted(-15 * DAY_NS))


def test_no_authority_and_a_damaged_one_are_told_apart(tmp_path: Path) -> None:
    """An empty folder names init; a list that another authority signed, a lost key, and a foreign key are named."""
    with pytest.raises(UsageError, match="joulemark pki init"):
        Authority(tmp_path, CLOCK)
    made, other = certificates.authority(tmp_path / "a"), certificates.authority(tmp_path / "b")
    certificates.agent(made)
    made.revoked_file.write_bytes(other.revoked_file.read_bytes())
    with pytest.raises(FormatError, match="not signed by this authority"):
        made.revoke("host-a")
    (made.folder / "ca.key").write_bytes((other.folder / "ca.key").read_bytes())
    with pytest.raises(FormatError, match="is not the key of"):
        Authority(made.folder, CLOCK)
    (made.folder / "ca.key").unlink()
    with pytest.raises(UsageError, match="the authority's key: cannot read"):
        Authority(made.folder, CLOCK)


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    """An authority whose key lies open issues nothing until it is closed; the mend is a command."""
    key = certificates.authority(tmp_path).folder / "ca.key"
    key.chmod(0o644)
    with pytest.raises(UsageError, match=f"chmod 600 {key}"):
        Authority(tmp_path, CLOCK)
    key.chmod(0o600)
    Authority(tmp_path, CLOCK)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(max_size=100), place=st.integers(0, 700), name=st.sampled_from(["ca.pem", "ca.key", "revoked.pem", "host-a.pem"]))
def test_garbage_never_ends_in_a_stack_trace(tmp_path: Path, garbage: bytes, place: int, name: str) -> None:
    """Whatever stands in its files, a command of the authority works or ends with a deliberate error."""
    if not (tmp_path / "ca.pem").exists():
        certificates.agent(certificates.authority(tmp_path))
    path = tmp_path / name
    real = path.read_bytes()
    path.write_bytes(real[:place] + garbage)
    try:
        Authority(tmp_path, CLOCK).renew("host-a")
    except (UsageError, EnvironmentFailed):
        pass
    finally:
        path.write_bytes(real)
