"""The raw socket and VISA links against a simulated analyser on loopback."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import psutil
import pytest

from joulemark.errors import ConfigError, MeterTransient
from joulemark.meters.scpi_link import LinkLost, SocketLink, VisaLink, link_to
from tests.standins.scpi_bench import Bench, bench, free_port
from tests.standins.scpi_standin import IDENTITIES
from tests.waiting import eventually

DEADLINE_S = 1.0
SLACK_S = 3.0
"""What a machine that is busy with other tests may add: pyvisa itself would wait for much longer."""
IDENTITY = IDENTITIES["WT310E"][0]


@pytest.fixture
def standin() -> Iterator[Bench]:
    with bench() as one:
        yield one


@pytest.fixture
def socket_link(standin: Bench) -> Iterator[SocketLink]:
    link = SocketLink("127.0.0.1", standin.port, deadline_s=DEADLINE_S)
    link.open()
    yield link
    link.close()


@pytest.fixture
def visa_link(standin: Bench) -> Iterator[VisaLink]:
    link = VisaLink(standin.vxi11_resource, deadline_s=DEADLINE_S)
    link.open()
    yield link
    link.close()


def test_socket_asks_and_tells(standin: Bench, socket_link: SocketLink) -> None:
    """A question brings its answer without the end of line, a command brings none."""
    assert socket_link.ask("*IDN?") == IDENTITY
    socket_link.tell(":COMM:HEAD OFF")
    assert socket_link.ask(":INP:CFAC?") == "3"
    assert standin.analyser.asked == ["*IDN?", ":COMM:HEAD OFF", ":INP:CFAC?"]


def test_a_late_answer_is_not_taken_for_the_next(standin: Bench, socket_link: SocketLink) -> None:
    """After a question that was not answered in time nothing is asked on the same connection, and the new one is in step."""
    standin.late_s = DEADLINE_S + 1.0
    begin = time.monotonic()
    with pytest.raises(LinkLost, match=r"no answer to ':INP:CFAC\?' within 1 s"):
        socket_link.ask(":INP:CFAC?")
    assert DEADLINE_S <= time.monotonic() - begin < DEADLINE_S + SLACK_S
    with pytest.raises(LinkLost, match="no connection"):
        socket_link.ask("*IDN?")
    socket_link.open()
    assert socket_link.ask("*IDN?") == IDENTITY


def test_an_answer_nobody_asked_for(standin: Bench, socket_link: SocketLink) -> None:
    """Two lines where one was asked for put the connection out of step: the next question is not asked on it."""
    standin.mischief.append(b"1\n2\n")
    assert socket_link.ask(":INP:CFAC?") == "1"
    with pytest.raises(LinkLost, match="nobody asked for: b'2"):
        socket_link.ask("*IDN?")


@pytest.mark.parametrize("garbled", [b"51\x002.34\n", b"\xff\xfb\x01512\n", b"\x00\n"])
def test_a_garbled_answer_loses_the_link(standin: Bench, socket_link: SocketLink, garbled: bytes) -> None:
    """NUL bytes and bytes beyond ASCII are no answer."""
    standin.mischief.append(garbled)
    with pytest.raises(LinkLost, match="garbled answer"):
        socket_link.ask(":INP:CFAC?")


def test_a_partial_line_is_no_answer(standin: Bench, socket_link: SocketLink) -> None:
    """Half an answer is waited for until the deadline and never taken for a whole one, also when the connection ends."""
    standin.mischief.append(b"512.3")
    with pytest.raises(LinkLost, match="no answer"):
        socket_link.ask(":INP:CFAC?")
    socket_link.open()
    standin.mischief.append(b"512.3")
    socket_link.tell(":INP:CFAC?")
    time.sleep(0.1)
    standin.stop()
    with pytest.raises(LinkLost, match=r"nobody asked for|closed|broke"):
        socket_link.ask(":INP:CFAC?")


def test_an_endless_answer_is_bounded(standin: Bench, socket_link: SocketLink) -> None:
    """An answer that never ends is given up at 64 KiB."""
    standin.mischief.append(b"1" * 200_000)
    with pytest.raises(LinkLost, match="without end"):
        socket_link.ask(":INP:CFAC?")


def test_a_cut_connection_is_told(standin: Bench, socket_link: SocketLink) -> None:
    """A connection that the instrument closed is found before anything is asked on it."""
    assert socket_link.ask("*IDN?") == IDENTITY
    standin.stop()
    with pytest.raises(LinkLost, match=r"closed the connection|broke"):
        socket_link.ask("*IDN?")


def test_nobody_listens() -> None:
    """A port without an instrument fails at once, with the command that shows the same."""
    port = free_port()
    with pytest.raises(MeterTransient, match=r"no connection to 127\.0\.0\.1") as raised:
        SocketLink("127.0.0.1", port, deadline_s=DEADLINE_S).open()
    assert raised.value.next_step.endswith(f"nc -vz 127.0.0.1 {port}")


def test_vxi11_asks_and_tells(standin: Bench, visa_link: VisaLink) -> None:
    """The real pyvisa, in its child process, asks and tells over VXI-11."""
    assert visa_link.ask("*IDN?") == IDENTITY
    visa_link.tell(":COMM:HEAD OFF")
    assert visa_link.ask(":INP:CFAC?") == "3"


def test_a_hung_vxi11_is_left_behind(standin: Bench, visa_link: VisaLink) -> None:
    """An instrument that hangs costs one deadline; its child is ended, and a new one is in step, whatever waits in the instrument."""
    child = visa_link.child_pid
    assert child is not None
    standin.late_s = DEADLINE_S + 0.5
    begin = time.monotonic()
    with pytest.raises(LinkLost, match=r":INP:CFAC\?"):
        visa_link.ask(":INP:CFAC?")
    assert time.monotonic() - begin < DEADLINE_S + SLACK_S
    assert not psutil.pid_exists(child)
    eventually(lambda: standin.unread, "the late answer waits in the instrument")
    visa_link.open()
    assert visa_link.ask("*IDN?") == IDENTITY


def test_a_cut_vxi11_is_told(standin: Bench, visa_link: VisaLink) -> None:
    """An instrument that leaves is a lost link within the deadline, and no child is left."""
    standin.stop()
    begin = time.monotonic()
    with pytest.raises(LinkLost):
        visa_link.ask("*IDN?")
    assert time.monotonic() - begin < DEADLINE_S + SLACK_S
    assert visa_link.child_pid is None


def test_a_killed_child_is_told(visa_link: VisaLink) -> None:
    """A child that dies is a lost link with the reason."""
    assert visa_link.child_pid is not None
    os.kill(visa_link.child_pid, 9)
    with pytest.raises(LinkLost, match="child process ended"):
        visa_link.ask("*IDN?")


def test_no_instrument_behind_vxi11() -> None:
    """A VXI-11 address without an instrument fails, names the resource, says what to do, and leaves no child."""
    resource = f"TCPIP::127.0.0.1,{free_port()}::INSTR"
    children = len(psutil.Process().children())
    with pytest.raises(MeterTransient, match=f"{resource}: cannot be opened") as raised:
        VisaLink(resource, deadline_s=DEADLINE_S).open()
    assert raised.value.next_step
    assert len(psutil.Process().children()) == children


def test_a_garbled_vxi11_answer_loses_the_link(standin: Bench, visa_link: VisaLink) -> None:
    """NUL bytes over VXI-11 are no answer either."""
    standin.mischief.append(b"51\x002\n")
    with pytest.raises(LinkLost, match="garbled"):
        visa_link.ask(":INP:CFAC?")


def test_closed_links_are_safe() -> None:
    """Closing twice, and before opening, is safe; nothing can be asked then."""
    for link in (SocketLink("127.0.0.1", 1, deadline_s=1.0), VisaLink("TCPIP::127.0.0.1::INSTR", deadline_s=1.0)):
        link.close()
        link.close()
        with pytest.raises(LinkLost):
            link.ask("*IDN?")


@pytest.mark.parametrize(
    ("resource", "interface"),
    [
        ("TCPIP::10.0.0.5::5025::SOCKET", "TCP socket"),
        ("tcpip0::wt310.example::10001::socket", "TCP socket"),
        ("TCPIP::10.0.0.5::INSTR", "VXI-11"),
        ("TCPIP0::10.0.0.5,1024::inst0::INSTR", "VXI-11"),
        ("TCPIP::10.0.0.5::hislip0::INSTR", "HiSLIP"),
        ("USB0::0x0B21::0x0025::4332334B::INSTR", "USBTMC"),
        ("GPIB0::1::INSTR", "GPIB"),
        ("ASRL/dev/ttyUSB0::INSTR", "RS-232"),
    ],
)
def test_a_resource_names_its_interface(resource: str, interface: str) -> None:
    """Every kind of resource is taken, and tells which interface it is."""
    assert link_to(resource, deadline_s=1.0).interface == interface


@pytest.mark.parametrize("resource", ["", "10.0.0.5", "10.0.0.5:5025", "TCPIP::10.0.0.5::99999::SOCKET", "TCPIP::10.0.0.5::0::SOCKET"])
def test_what_is_no_resource(resource: str) -> None:
    """An address that is no VISA resource is an error of the configuration, with examples."""
    with pytest.raises(ConfigError, match=r"scpi\.resource.*TCPIP::10\.0\.0\.5::INSTR"):
        link_to(resource, deadline_s=1.0)
