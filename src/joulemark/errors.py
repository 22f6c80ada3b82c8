"""Every error Joulemark raises on purpose, drawn as one tree.

```
JoulemarkError                   exit 1   a bug, unless a subclass says otherwise
├── UsageError                   exit 2   the command or an input file must be changed
│   ├── ConfigError                       a key of the TOML file
│   ├── AccessDenied                      the collector wants a token, or one with a wider scope
│   ├── NaiveTimeError                    a time without a zone, and none was given
│   └── FormatError                       a file is not what its name or place says
├── NotCompliant                 exit 3   measured, but below the level asked for
├── InsufficientData             exit 4   the readings do not cover what was asked
├── EnvironmentFailed            exit 5   this machine lacks something; doctor names it
│   └── MeterUnavailable                  the meter could not be opened (also a MeterError)
├── RemoteUnreachable            exit 6   the collector, or a service, does not answer
└── MeterError                   exit 5
    ├── MeterUnavailable                  could not open: fail, skip or retry, as configured
    ├── MeterTransient                    this read failed: a gap with a reason, go on
    ├── MeterGone                         the device left: end of its stream
    └── MeterFault                        cannot recover: a gap until the end, host degraded
```

An error says what failed, where, and what to do next. Findings of the validator are data, never exceptions.
"""

from __future__ import annotations


class JoulemarkError(Exception):
    """Base of every deliberate error.

    `what` names the thing that failed and where; `next_step` tells the reader what to do. `str()` joins both in one line.
    """

    exit_code = 1

    def __init__(self, what: str, next_step: str = "") -> None:
        self.what = what.rstrip(".")
        self.next_step = next_step.rstrip(".")
        end = "" if self.next_step.endswith("?") else "."
        super().__init__(f"{self.what}. {self.next_step}{end}" if self.next_step else f"{self.what}.")

    def __reduce__(self) -> tuple[type[JoulemarkError], tuple[str, str]]:
        return type(self), (self.what, self.next_step)


class UsageError(JoulemarkError):
    """The command line or an input must be changed."""

    exit_code = 2


class ConfigError(UsageError):
    """A key or a value of the TOML file is wrong."""


class AccessDenied(UsageError):
    """The collector wants a token, or one with a wider scope."""


class NaiveTimeError(UsageError):
    """A recorded time carries no zone and none was given; nothing is guessed."""


class FormatError(UsageError):
    """A file is not what its name or its place says it is."""


class NotCompliant(JoulemarkError):
    """Measured, but below the compliance level that was asked for."""

    exit_code = 3


class InsufficientData(JoulemarkError):
    """The readings do not cover what was asked."""

    exit_code = 4


class EnvironmentFailed(JoulemarkError):
    """This machine lacks something; the next step is the command that mends it."""

    exit_code = 5


class RemoteUnreachable(JoulemarkError):
    """The collector, or another service, does not answer."""

    exit_code = 6


class MeterError(JoulemarkError):
    """Base of what a meter can answer instead of a value."""

    exit_code = 5


class MeterUnavailable(MeterError, EnvironmentFailed):
    """The meter could not be opened."""


class MeterTransient(MeterError):
    """This read failed and the next may succeed: the runner records a gap with the reason."""


class MeterGone(MeterError):
    """The device left, as a pulled plug or a lost GPU does: its stream ends here."""


class MeterFault(MeterError):
    """The meter cannot recover without help: a gap until the end, the host is marked degraded."""
