from __future__ import annotations

import json

import pytest

from joulemark.calibration.alignment import Record
from joulemark.errors import FormatError
from tests.kit import alignment
from tests.kit.lab import BEGIN_NS


def test_a_record_survives_its_file() -> None:
    """Every field of calibration.json comes back as it was."""
    record = Record((alignment.made(1, before_ns=BEGIN_NS).record,))
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_another_schema_is_refused() -> None:
    """A file of another kind or version is named, with what to do."""
    with pytest.raises(FormatError, match=r"joulemark\.calibration/1"):
        Record.from_json({"schema": "joulemark.calibration/2", "alignments": []})
