"""Questions to one SNMP agent: GET, GETNEXT and walks, as v2c or v3, with the library's errors turned into words.

The only importer of pysnmp. Names of objects are dotted numbers: no MIB is loaded. Source: RFC 3416 (operations, tooBig, exceptions),
RFC 3414 (reports of the user-based security model), RFC 3826 (AES), RFC 7860 (SHA-2).
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import (
    USM_AUTH_HMAC96_SHA,
    USM_AUTH_HMAC192_SHA256,
    USM_PRIV_CFB128_AES,
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    UsmUserData,
    bulk_cmd,
    get_cmd,
    next_cmd,
)
from pysnmp.proto import errind
from pysnmp.proto.rfc1902 import Counter32, Counter64, Gauge32, Integer32, Null, OctetString, TimeTicks, Unsigned32
from pysnmp.proto.rfc1905 import EndOfMibView, NoSuchInstance, NoSuchObject

from joulemark.errors import MeterTransient
from joulemark.meters.snmp_families import Answer

TOO_BIG: Final = 1
"""error-status of RFC 3416: the answer does not fit one message."""

MESSAGE_OIDS: Final = 24
"""Objects asked for in one message: about 1 kB of answer, which every agent can send unbroken."""

REPETITIONS: Final = 24
"""Rows asked for in one step of a walk: about 1 kB."""

LONGEST_WALK: Final = 4096
"""Rows after which a table is taken for endless."""


class Auth(enum.StrEnum):
    """Authentication protocols of v3."""

    SHA = "SHA"
    SHA256 = "SHA256"


AUTH_PROTOCOLS: Final[Mapping[Auth, Any]] = {Auth.SHA: USM_AUTH_HMAC96_SHA, Auth.SHA256: USM_AUTH_HMAC192_SHA256}

USER_REFUSALS: Final[Mapping[type[errind.ErrorIndication], str]] = {
    errind.UnknownUserName: "it does not know the user",
    errind.UnknownSecurityName: "it does not know the user",
    errind.WrongDigest: "the authentication password or protocol is wrong",
    errind.AuthenticationFailure: "the authentication password or protocol is wrong",
    errind.AuthenticationError: "the authentication password or protocol is wrong",
    errind.DecryptionError: "the privacy password is wrong",
    errind.UnsupportedSecurityLevel: "it takes this user at another security level, with or without privacy",
    errind.NoAccessEntry: "the user may not read",
    errind.NoGroupName: "the user may not read",
}
"""What an agent reports of a user -> words."""


class SnmpSilent(MeterTransient):
    """No answer at all, after the repetitions."""


class SnmpRefused(MeterTransient):
    """The agent reported that it does not accept the user."""


class SnmpErrorStatus(MeterTransient):
    """The agent answered the whole message with an error-status."""


class SnmpTooBig(SnmpErrorStatus):
    """The agent asks for smaller messages."""


@dataclass(frozen=True, slots=True)
class Community:
    """Who asks by v2c."""

    name: str = field(repr=False)

    def spoken(self) -> CommunityData:
        """As pysnmp wants it."""
        return CommunityData(self.name, mpModel=1)


@dataclass(frozen=True, slots=True)
class User:
    """Who asks by v3. Without a privacy key, messages are signed and readable."""

    name: str
    auth: Auth
    auth_key: str = field(repr=False)
    privacy_key: str = field(default="", repr=False)

    def spoken(self) -> UsmUserData:
        """As pysnmp wants it."""
        privacy = {"privProtocol": USM_PRIV_CFB128_AES, "privKey": self.privacy_key} if self.privacy_key else {}
        return UsmUserData(self.name, authProtocol=AUTH_PROTOCOLS[self.auth], authKey=self.auth_key, **privacy)


RENEWED_AFTER: Final = 5000
"""Messages of v3 after which the engine is made anew: pysnmp keeps 0.9 kB of each answer in its USM cache and never lets go of it."""


@dataclass(slots=True)
class SnmpSession:
    """One agent at `host`:`port`. A question waits `timeout_s` for its answer and is repeated once; every one raises MeterTransient."""

    host: str
    port: int
    asker: Community | User
    timeout_s: float
    _engine: SnmpEngine | None = None
    _target: UdpTransportTarget | None = None
    _asked: int = 0

    @property
    def version(self) -> str:
        """The protocol by its name."""
        return "SNMP v2c" if isinstance(self.asker, Community) else "SNMP v3"

    @property
    def where(self) -> str:
        """The agent in words."""
        return f"SNMP agent {self.host}:{self.port}"

    async def get(self, oids: Sequence[str]) -> dict[str, Answer]:
        """What the agent answers to one GET, by object."""
        return dict(await self._ask(get_cmd, oids))

    async def get_all(self, oids: Sequence[str]) -> dict[str, Answer]:
        """What the agent answers to as many messages as `oids` need; None also for an object that it answers with an error."""
        if len(oids) > MESSAGE_OIDS:
            return await self.get_all(oids[:MESSAGE_OIDS]) | await self.get_all(oids[MESSAGE_OIDS:])
        try:
            return await self.get(oids) if oids else {}
        except SnmpErrorStatus:
            if len(oids) == 1:
                return {oids[0]: None}
            half = len(oids) // 2
            return await self.get_all(oids[:half]) | await self.get_all(oids[half:])

    async def next(self, oids: Sequence[str]) -> list[str]:
        """For each object the one that follows it, in order."""
        return [oid for oid, _ in await self._ask(next_cmd, oids)]

    async def walk(self, root: str) -> list[str]:
        """Every object below `root`, in order."""
        found: list[str] = []
        last = root
        while len(found) < LONGEST_WALK:
            step = await self._ask(bulk_cmd, [last], 0, REPETITIONS)
            below = [oid for oid, answer in step if oid.startswith(f"{root}.") and answer is not None]
            if below and (below[-1] == last or below[0] in found):
                raise MeterTransient(f"{self.where} goes in a circle below {root}", "update its firmware")
            found += below
            if not below or len(below) < len(step):
                return found
            last = below[-1]
        raise MeterTransient(f"{self.where} has no end below {root}", "update its firmware")

    async def close(self) -> None:
        """Let go of the socket, and of what is known of the agent and its clock. Safe at any time; the next question starts anew."""
        engine, self._engine, self._target, self._asked = self._engine, None, None, 0
        if engine is not None:
            await asyncio.sleep(0)  # an answer that has just been received is still delivered: pysnmp cannot take it afterwards
            engine.close_dispatcher()

    async def _ask(self, command: Any, oids: Sequence[str], *numbers: int) -> list[tuple[str, Answer]]:
        """The objects and answers of one message."""
        objects = [ObjectType(ObjectIdentity(oid)) for oid in oids]
        if self._asked >= RENEWED_AFTER and isinstance(self.asker, User):
            await self.close()
        self._asked += 1
        try:
            if self._target is None:
                self._target = await UdpTransportTarget.create((self.host, self.port), timeout=self.timeout_s, retries=1)
            self._engine = self._engine or SnmpEngine()
            asked = command(self._engine, self.asker.spoken(), self._target, ContextData(), *numbers, *objects, lookupMib=False)
            indication, status, index, bindings = await asked
        except PySnmpError as error:
            raise MeterTransient(f"{self.where}: {error}", "check host and port") from error
        if indication is not None:
            raise self._failure(indication)
        if status:
            kind = SnmpTooBig if int(status) == TOO_BIG else SnmpErrorStatus
            raise kind(f"{self.where} answered {status.prettyPrint()} at object {int(index)} of {len(oids)}")
        if not numbers and len(bindings) != len(oids):
            raise MeterTransient(f"{self.where} answered {len(bindings)} objects instead of {len(oids)}", "update its firmware")
        return [(str(oid), plain(value)) for oid, value in bindings]

    def _failure(self, indication: errind.ErrorIndication) -> MeterTransient:
        """What pysnmp found wrong, as an error of ours."""
        if isinstance(indication, errind.RequestTimedOut):
            return SnmpSilent(f"{self.where} does not answer")
        for kind, words in USER_REFUSALS.items():
            if isinstance(indication, kind):
                return SnmpRefused(f"{self.where} refuses the user: {words}")
        return MeterTransient(f"{self.where}: {indication}")


NUMBERS: Final = (Integer32, Unsigned32, Gauge32, Counter32, Counter64, TimeTicks)
NOTHING: Final = (NoSuchObject, NoSuchInstance, EndOfMibView, Null)


def plain(value: Any) -> Answer:
    """A number, octets, or None for the three exceptions of RFC 3416; whatever else an agent may answer, as text."""
    if isinstance(value, NOTHING):
        return None
    if isinstance(value, NUMBERS):
        return int(value)
    return bytes(value) if isinstance(value, OctetString) else bytes(value.prettyPrint(), "utf-8")
