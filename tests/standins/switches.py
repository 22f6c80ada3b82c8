"""What may happen to a stand-in library while it runs: files in a folder that `switches.h` looks at on every call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Switches:
    """The switches in `folder`, which the stand-in's setting SWITCHES names."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def lose(self) -> None:
        """Every device is gone from now on, until `find`."""
        (self.folder / "lost").touch()

    def find(self) -> None:
        (self.folder / "lost").unlink(missing_ok=True)

    def hang(self) -> None:
        """Calls do not come back until `resume`."""
        (self.folder / "hang").touch()

    def resume(self) -> None:
        (self.folder / "hang").unlink(missing_ok=True)

    def set_power_w(self, watts: float) -> None:
        """The power of every device from now on."""
        with (self.folder / "steps").open("a", encoding="ascii") as file:
            file.write(f"{time.time_ns()} {round(watts * 1000)}\n")
