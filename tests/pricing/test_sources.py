"""The kinds of sources: found by name, and a wrong name suggests the right one."""

from __future__ import annotations

import pytest

from joulemark.errors import ConfigError
from joulemark.pricing.sources import FORMATS, KINDS, about, importer, limits, recognise, source
from joulemark.pricing.sources.manual import IMPORTER
from joulemark.pricing.wanted import Limits
from tests.pricing.records import TOML


def test_a_kind_is_found_by_its_name() -> None:
    """Every format has an importer of that kind, and no kind is both fetched and imported."""
    assert [importer(kind).kind for kind in FORMATS] == list(FORMATS)
    assert not set(KINDS) & set(FORMATS)


def test_a_wrong_kind_names_the_nearest() -> None:
    """A misspelt kind is an error of the configuration that says what was meant; a fetched kind is no format of files."""
    with pytest.raises(ConfigError, match="did you mean 'azure_retail'"):
        source("azure_retial")
    with pytest.raises(ConfigError, match="use one of manual"):
        importer("vast")


def test_a_price_file_is_recognised() -> None:
    """A hand-written file is known by its schema."""
    assert recognise(TOML) is IMPORTER


def test_every_source_says_what_it_is() -> None:
    """Every kind that is fetched has a source of that kind, and its module begins with a sentence for people."""
    assert [source(kind).kind for kind in KINDS] == list(KINDS)
    assert all(about(kind).endswith(".") and "\n" not in about(kind) for kind in KINDS)


def test_limits_of_feeds_that_differ_from_the_rest() -> None:
    """Marketplaces and spot say themselves how old their prices may be; a price list leaves it to the way of renting."""
    found = limits()
    assert found["runpod"] == Limits(43_200, 7 * 86_400)
    assert {"vast", "aws_spot"} <= set(found)
    assert not {"aws_bulk", "azure_retail", "gcp_catalog"} & set(found)
