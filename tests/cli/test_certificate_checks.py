"""What doctor says of certificates: how long they are valid, whom they speak for, who is revoked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from joulemark.cli import certificate_checks
from joulemark.cli.findings import Finding, Status
from joulemark.config import AgentConfig, Config
from joulemark.pki.authority import Authority
from joulemark.pki.subject import Role, Subject
from joulemark.timebase import SystemClock
from tests import certificates
from tests.certificates import DAY_NS, Shifted


@pytest.fixture
def made(tmp_path: Path) -> Authority:
    authority = certificates.authority(tmp_path / "ca")
    certificates.agent(authority)
    certificates.collector(authority)
    return authority


def found(made: Authority, name: str = "host-a", *, agent_id: str = "host-a", in_days: int = 0) -> dict[str, Finding]:
    """The findings, by name, `in_days` from now."""
    config = Config(agent=AgentConfig(agent_id=agent_id), tls=certificates.table(made, name, revoked=True))
    return {f.name: f for f in certificate_checks.all_of(config, Shifted(in_days * DAY_NS))}


def test_a_month_before_the_end_doctor_warns(made: Authority) -> None:
    """Fine while 30 days are left, a warning below, a failure after the end, each with the command that renews it."""
    for in_days, status in ((0, Status.OK), (334, Status.OK), (336, Status.WARN), (366, Status.FAIL)):
        finding = found(made, in_days=in_days)["certificate cert_file"]
        assert finding.status is status, in_days
        assert finding.mend == ("" if status is Status.OK else f"joulemark pki renew host-a --ca {made.folder}")
    assert "364 more days" in found(made)["certificate cert_file"].detail or "365 more days" in found(made)["certificate cert_file"].detail
    assert found(made, in_days=366)["certificate ca_file"].status is Status.OK
    assert "pki init" in found(made, in_days=3640)["certificate ca_file"].mend


def test_away_from_the_authority_the_command_says_where(made: Authority, tmp_path: Path) -> None:
    """On a host that has only its own files, renewing begins on the authority's machine."""
    copied = tmp_path / "host"
    copied.mkdir()
    table = certificates.table(made, "host-a")
    assert table.cert_file
    here = copied / "host-a.pem"
    here.write_bytes(table.cert_file.read_bytes())
    config = Config(agent=AgentConfig(agent_id="host-a"), tls=dataclasses.replace(table, cert_file=here))
    (finding,) = [f for f in certificate_checks.all_of(config, Shifted(400 * DAY_NS)) if f.name == "certificate cert_file"]
    assert "on the authority's machine" in finding.mend


def test_a_clock_before_the_certificate_is_named(made: Authority) -> None:
    """A host whose clock is a day behind would refuse every certificate: the finding is about the clock."""
    assert found(made, in_days=-1)["certificate cert_file"].mend == "chronyc makestep"


def test_the_agent_is_called_what_its_certificate_says(made: Authority) -> None:
    """Another agent_id fails before the collector has to refuse it; a collector's certificate is not judged by it."""
    assert found(made)["certificate identity"].status is Status.OK
    wrong = found(made, agent_id="host-b")["certificate identity"]
    assert (wrong.status, "pki issue host-b" in wrong.mend) == (Status.FAIL, True)
    assert "certificate identity" not in found(made, "collector")
    made.issue(Subject("me", Role.CLIENT))
    assert "certificate identity" not in found(made, "me")


def test_a_revoked_certificate_is_told_to_its_holder(made: Authority, tmp_path: Path) -> None:
    """A list that can be used passes, one's own certificate on it fails, and so does a list of another authority."""
    assert found(made)["revoked certificates"].status is Status.OK
    made.revoke("host-a")
    assert "was revoked" in found(made)["revoked certificates"].detail
    other = certificates.authority(tmp_path / "other")
    table = dataclasses.replace(certificates.table(made, "collector"), revoked_file=other.revoked_file)
    assert certificate_checks.revocation(table, SystemClock()).status is Status.FAIL
