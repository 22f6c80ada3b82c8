"""Stage of the kind `tasmota`: Debian's mosquitto with an account, and a simulated plug.

A golden case holds the answers of a plug as it printed them, `STATUS8.json` and so on, by the last part of their topics.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.conformance import WRONG_SECRET
from tests.meters.living.base import Living, Options
from tests.standins.tasmota_standin import USER, Broker, Plug

DEADLINE_S = 1.0


def options(broker: Broker, password_file: Path | None = None) -> Options:
    return {
        "broker": "127.0.0.1",
        "port": broker.port,
        "topic": "plug1",
        "user": USER,
        "password_file": str(password_file or broker.password_file),
        "deadline_s": DEADLINE_S,
    }


@contextmanager
def plugged(folder: Path) -> Iterator[Plug]:
    """A plug at a broker in `folder`."""
    broker = Broker(folder / "broker")
    broker.start()
    plug = Plug(broker)
    try:
        plug.start()
        yield plug
    finally:
        plug.stop()
        broker.stop()


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    (folder / "wrong").write_text(WRONG_SECRET)
    with plugged(folder) as plug:

        def set_power_w(power_w: float) -> None:
            plug.answers.power_w = f"{power_w:.0f}"

        yield Living(
            options(plug.broker),
            unplug=plug.unplug,
            replug=plug.start,
            hang=plug.pause,
            resume=plug.resume,
            wrong=options(plug.broker, folder / "wrong"),
            set_power_w=set_power_w,
            deadline_s=DEADLINE_S,
        )


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A plug that answers what the case holds."""
    with plugged(folder) as plug:
        plug.answers = lambda question: (case / f"STATUS{question}.json").read_text(encoding="utf-8").strip()
        yield options(plug.broker)
