"""A real MQTT broker, Debian's mosquitto on loopback, and a simulated plug that speaks to it as Tasmota does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

USER = "meters"
PASSWORD = "secret12"
MAC = "4C:11:AE:00:00:01"


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if found is None:
        raise RuntimeError(f"{name} is not installed: apt-get install mosquitto")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Broker:
    """mosquitto with a configuration of its own in `folder`, on 127.0.0.1. `start` and `stop` may alternate; the port stays.

    `tls`: certificate and key in PEM, and then it speaks TLS only.
    """

    def __init__(self, folder: Path, *, password: bool = True, tls: tuple[Path, Path] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self._config = folder / "mosquitto.conf"
        lines = ["user root", f"listener {self.port} 127.0.0.1", "persistence false", "log_dest none"]
        lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"] if tls else []
        if password:
            accounts = folder / "accounts"
            accounts.touch(mode=0o600)
            subprocess.run([tool("mosquitto_passwd"), "-b", str(accounts), USER, PASSWORD], check=True, capture_output=True)
            lines += ["allow_anonymous false", f"password_file {accounts}"]
        else:
            lines += ["allow_anonymous true"]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [tool("mosquitto"), "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
        )
        until_s = time.monotonic() + 5.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    raise RuntimeError("mosquitto did not start") from error
                time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Hang it: connections stay, nothing is delivered."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process
        os.kill(self._process.pid, signal.SIGCONT)


@dataclass
class Answers:
    """What a plug says of itself: the object below the one key of each answer. `power_w` and `total_kwh` are printed as they are."""

    power_w: Any = "26"
    total_kwh: Any = "0.003"
    name: str = "desk"
    version: str = "14.4.1(release-tasmota)"
    mac: str = MAC
    clock: str = "2019-09-06T20:06:19"

    def __call__(self, question: str) -> str:
        """The payload of the answer, printed as the firmware prints it."""
        if question == "8":
            energy = f'"TotalStartTime":"2019-08-18T11:07:55","Total":{shown(self.total_kwh)},"Yesterday":0.000,"Today":0.003'
            electric = f'"Power": {shown(self.power_w)},"ApparentPower":25,"Factor":0.06,"Voltage":239,"Current":0.106'
            return f'{{"StatusSNS":{{"Time":"{self.clock}","ENERGY":{{{energy},{electric}}}}}}}'
        said: dict[str, dict[str, Any]] = {
            "5": {"StatusNET": {"Hostname": "desk-0001", "IPAddress": "192.0.2.7", "Mac": self.mac}},
            "2": {"StatusFWR": {"Version": self.version, "Hardware": "ESP8266EX"}},
            "": {"Status": {"Module": 45, "DeviceName": self.name, "FriendlyName": [self.name], "Topic": "plug1"}},
        }
        return json.dumps(said[question])


def shown(printed: Any) -> str:
    return f"[{','.join(map(str, printed))}]" if isinstance(printed, list | tuple) else str(printed)


class Plug:
    """A plug with the topic `topic`: answers `Status`, and lets the broker say whether it is connected.

    `unplug` breaks its connection as a pulled plug does, so that the broker publishes its last will. `answers` may be changed or
    replaced at any time; a paused plug is connected and says nothing.
    """

    def __init__(self, broker: Broker, *, topic: str = "plug1", full_topic: str = "%prefix%/%topic%", user: bool = True) -> None:
        self.answers: Any = Answers()
        self.broker, self.topic, self._full_topic = broker, topic, full_topic
        self._account = (USER, PASSWORD) if user else None
        self._client: mqtt.Client | None = None
        self._going = threading.Event()
        self._going.set()
        self.before: list[tuple[str, str]] = []
        """Messages (last part of the topic, payload) that are published before each answer."""

    def path(self, prefix: str, last: str) -> str:
        return f"{self._full_topic.replace('%prefix%', prefix).replace('%topic%', self.topic)}/{last}"

    def start(self) -> None:
        ready = threading.Event()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        if self._account:
            client.username_pw_set(*self._account)
        client.will_set(self.path("tele", "LWT"), "Offline", retain=True)

        def connected(*_: object) -> None:
            client.publish(self.path("tele", "LWT"), "Online", retain=True)
            client.subscribe(self.path("cmnd", "Status"))

        def asked(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
            if self._going.is_set():
                question = message.payload.decode()
                for last, payload in self.before:
                    client.publish(self.path("stat", last), payload)
                client.publish(self.path("stat", f"STATUS{question}"), self.answers(question))

        client.on_connect = connected
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = asked
        client.connect("127.0.0.1", self.broker.port, keepalive=10)
        client.loop_start()
        if not ready.wait(5.0):
            raise RuntimeError("the broker does not take the plug")
        self._client = client

    def unplug(self) -> None:
        """Break the connection without a goodbye."""
        if self._client is not None and (connection := self._client.socket()) is not None:
            connection.shutdown(socket.SHUT_RDWR)
        self._end()

    def stop(self) -> None:
        if self._client is not None:
            self._client.disconnect()
        self._end()

    def _end(self) -> None:
        if self._client is not None:
            self._client.loop_stop()
        self._client = None

    def pause(self) -> None:
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    def publish(self, last: str, payload: str, *, prefix: str = "stat", retain: bool = False) -> None:
        assert self._client
        self._client.publish(self.path(prefix, last), payload, retain=retain).wait_for_publish(5.0)
