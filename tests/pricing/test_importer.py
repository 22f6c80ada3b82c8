"""Importers: each format of files is recognised by one of them, and no import invents what the file does not say."""

from __future__ import annotations

import pytest

from joulemark.errors import JoulemarkError
from joulemark.pricing.importer import Options
from joulemark.pricing.sources import FORMATS, importer, recognise
from tests.pricing.records import DAY


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_of_no_format(kind: str) -> None:
    """An empty text, a foreign table and a JSON document are recognised by nobody, and parsing them is refused by name."""
    for text in ("", "a,b\n1,2\n", "{}"):
        assert not importer(kind).recognises(text)
        with pytest.raises(JoulemarkError, match="mine"):
            importer(kind).parse(text, name="mine", fetched_at_ns=DAY, options=Options())
    assert importer(kind).kind == kind


def test_the_file_of_nobody() -> None:
    """A text that no importer knows is told as such, not taken for the nearest."""
    assert recognise("when,where,how much\n") is None
