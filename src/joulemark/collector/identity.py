"""Who speaks on a stream: the names in the client's certificate, and which agent and which devices they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote as shell_word
from typing import Any, Final, Protocol, Self
from urllib.parse import unquote

import grpc

from joulemark.collector.refusal import Refused
from joulemark.proto.messages import PROTOCOL_VERSION, BatchView, Hello
from joulemark.tls import identity_uri

OWN_URI: Final = "joulemark://"
LONGEST_TEXT: Final = 255


class Validity(Protocol):
    """What tells whether a certificate that passed the handshake is still good."""

    def refuses(self, pem: bytes) -> str | None:
        """Why the certificate in `pem` is not, None when it is."""
        ...


class AlwaysValid:
    """Where no certificates are asked for, none is looked after."""

    def refuses(self, pem: bytes) -> str | None:
        del pem
        return None


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a stream. `names`: subject alternative names of its certificate, None when it shows none.

    Whether clients must show one is decided where the port is bound: beyond loopback they must, unless `tls.insecure`.
    """

    address: str
    names: tuple[str, ...] | None = None
    pem: bytes = b""

    @classmethod
    def of(cls, address: str, auth_context: Mapping[str, Sequence[bytes]]) -> Self:
        """The peer that gRPC describes by its address and authentication context."""
        pem = b"".join(auth_context.get("x509_pem_cert", ()))
        names = tuple(name.decode("utf-8", "replace") for name in auth_context.get("x509_subject_alternative_name", ()))
        return cls(address, names, pem) if pem else cls(address)

    @classmethod
    def on(cls, context: Any) -> Self:
        """The peer of a servicer context of grpc.aio."""
        return cls.of(context.peer(), context.auth_context())

    @property
    def host(self) -> str:
        """The IP address it speaks from, of gRPC's `ipv4:127.0.0.1:50312` or `ipv6:%5B::1%5D:50312`."""
        return unquote(self.address.partition(":")[2].rpartition(":")[0]).strip("[]")

    def may_be(self, agent_id: str) -> bool:
        """Whether the certificate speaks for the agent; without one, always.

        One of Joulemark's own names whom it speaks for as `joulemark://agent/<percent-encoded id>`; any other, by a plain name.
        """
        if self.names is None:
            return True
        ours = [name for name in self.names if name.startswith(OWN_URI)]
        return identity_uri("agent", agent_id) in ours if ours else agent_id in self.names


def check_hello(hello: Hello, peer: Peer, validity: Validity) -> None:
    """Raise Refused for another protocol version, for names that nobody could print, and for a peer that may not be this agent."""
    if hello.protocol_version != PROTOCOL_VERSION:
        raise Refused(
            grpc.StatusCode.FAILED_PRECONDITION,
            "hello",
            f"agent speaks protocol {hello.protocol_version}, collector {PROTOCOL_VERSION}: install the same version of both",
        )
    for key in ("agent_id", "boot_id", "software_version", "instance_id"):
        text = getattr(hello, key)
        if len(text) > LONGEST_TEXT or not text.isprintable():
            raise Refused(
                grpc.StatusCode.INVALID_ARGUMENT,
                "hello",
                f"{key} of {len(text)} characters is above {LONGEST_TEXT} or has characters that cannot be printed: change agent.agent_id",
            )
    if not hello.agent_id or ":" in hello.agent_id or "/" in hello.agent_id:
        raise Refused(
            grpc.StatusCode.INVALID_ARGUMENT, "hello", f"agent_id {hello.agent_id!r} is empty or holds ':' or '/': set agent.agent_id"
        )
    if hello.epoch_ns < 0:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "hello", f"epoch {hello.epoch_ns} is no time: set the clock of the agent's host")
    if not peer.may_be(hello.agent_id):
        named = ", ".join(peer.names or ()) or "nobody"
        raise Refused(
            grpc.StatusCode.PERMISSION_DENIED,
            "identity",
            f"the stream says agent_id {hello.agent_id!r} and its certificate names {named[:LONGEST_TEXT]}: "
            f"set agent.agent_id to a name of the certificate, or run joulemark pki issue {shell_word(hello.agent_id)} --for agent",
        )
    check_certificate(hello.agent_id, peer, validity)


def check_certificate(agent_id: str, peer: Peer, validity: Validity) -> None:
    """Raise Refused for a certificate that was revoked or has expired."""
    if peer.pem and (why := validity.refuses(peer.pem)) is not None:
        raise Refused(
            grpc.StatusCode.PERMISSION_DENIED,
            "certificate",
            f"the certificate of agent {agent_id!r} is refused, {why}: renew it, "
            f"or issue another with: joulemark pki issue {shell_word(agent_id)} --for agent",
        )


def check_devices(agent_id: str, view: BatchView) -> None:
    """Raise Refused when a batch speaks for a device of another host: ids are `kind:host:serial`, and the host is the agent's id."""
    named = {d.device_id for d in view.devices} | {b.device_id for b in view.blocks} | {x.device_id for x in view.losses if x.device_id}
    for device_id in sorted(named):
        if device_id.partition(":")[2].partition(":")[0] != agent_id:
            raise Refused(
                grpc.StatusCode.PERMISSION_DENIED,
                "device",
                f"device {device_id[:LONGEST_TEXT]!r} is not one of agent {agent_id!r}, whose devices are named kind:{agent_id}:serial: "
                "set agent.agent_id to the name under which the readings were taken until the spool is empty, or mend the driver",
            )
