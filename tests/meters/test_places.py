"""Where a meter is: addresses that no table may hold."""

from __future__ import annotations

from typing import Any

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError
from joulemark.meters import registry

HOSTS = {"shelly": "host", "snmp": "host", "modbus": "host", "tasmota": "broker"}
"""Kind -> the key that names a host."""


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {key: host}) for kind, key in HOSTS.items() for host in ("", "a@b", "a b")),
        *((kind, {"port": 65536}) for kind in HOSTS),
        ("redfish", {"fingerprint": "zz"}),
        ("prometheus", {"fingerprint": "00" * 16}),
    ],
)
def test_an_address_that_cannot_be_dialled_is_a_config_error(kind: str, options: dict[str, Any]) -> None:
    """A host that is none, a port that there is not and a fingerprint of another length are found before anything is opened."""
    whole: dict[str, dict[str, Any]] = {
        "shelly": {"host": "h"},
        "snmp": {"host": "h", "community_file": "x"},
        "modbus": {"host": "h", "device": "em24"},
        "tasmota": {"broker": "h", "topic": "t"},
        "redfish": {"url": "https://h", "user": "u", "password_file": "x"},
        "prometheus": {"url": "https://h/metrics"},
    }
    registry.build([MeterTable(kind, whole[kind])], host="h")
    with pytest.raises(ConfigError) as raised:
        registry.build([MeterTable(kind, {**whole[kind], **options})], host="h")
    assert raised.value.next_step
