"""Names that name nothing are told from names."""

from __future__ import annotations

import pytest

from joulemark.standard.names import nothing


@pytest.mark.parametrize(("text", "is_nothing"), [("Unknown", True), (" N/A ", True), ("0", True), ("air", False), ("0.1", False)])
def test_placeholders_are_no_names(text: str, is_nothing: bool) -> None:
    """What stands where nobody knew a value is no name, in any case and with any space."""
    assert nothing(text) is is_nothing
