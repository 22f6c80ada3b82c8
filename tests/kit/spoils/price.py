"""What may be wrong by the rules PRC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.kit.spoil import Spoil

SPOILS: Final[Sequence[Spoil]] = ()
