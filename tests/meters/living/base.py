"""What stands behind a kind of meter in the tests: a real counterpart on loopback, and the things that may happen to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Options = dict[str, Any]


@dataclass(frozen=True)
class Living:
    """A living device.

    `options`: the `[[meter]]` table that reads it. `unplug` takes the device away, `replug` brings it back under the same address.
    `hang`: it takes connections or commands but answers no more, until `resume`. `wrong`: options with a credential that it
    refuses. `set_power_w`: what it measures from now on. `deadline_s`: how long a read may take by `options`. `exempt`: name of a
    conformance check that cannot be made -> why; a check without its means and without a reason fails.
    """

    options: Options
    unplug: Callable[[], None] | None = None
    replug: Callable[[], None] | None = None
    hang: Callable[[], None] | None = None
    resume: Callable[[], None] | None = None
    wrong: Options | None = None
    set_power_w: Callable[[float], None] | None = None
    deadline_s: float = 3.0
    exempt: Mapping[str, str] = field(default_factory=dict)
