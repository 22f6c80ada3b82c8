"""What a phase produced, as a program that is measured tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joulemark.errors import UsageError


@dataclass
class Counts:
    """What a phase produced; set it inside the block. None where not known. `input_tokens` includes the cached ones, `output_tokens` the
    reasoning; `token_source`: who counted; `disagreement`: largest difference between two counts of the same tokens. `aborted`: why
    the phase does not count, empty when it does.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    requests: int | None = None
    requests_failed: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    token_source: str = ""
    disagreement: float = 0.0
    aborted: str = ""

    def body(self) -> dict[str, Any]:
        """The keys of the REST bodies. Raises UsageError for what is no whole number."""
        tokens: dict[str, Any] = {
            "input": whole(self.input_tokens),
            "output": whole(self.output_tokens),
            "cached_input": whole(self.cached_input_tokens),
            "reasoning": whole(self.reasoning_tokens),
            "source": self.token_source or None,
            "disagreement": self.disagreement or None,
        }
        requests = {"requests": whole(self.requests), "requests_failed": whole(self.requests_failed)}
        known = {name: value for name, value in tokens.items() if value is not None}
        return {**({"tokens": known} if known else {}), **{name: value for name, value in requests.items() if value is not None}}


def whole(count: Any) -> int | None:
    """A count as the wire takes it, whatever library's integer it is. Raises UsageError for what is no whole number."""
    if count is None:
        return None
    try:
        number = int(count)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number != count:
        raise UsageError(f"{count!r} is no count", "give a whole number, or None where it is not known")
    return number
