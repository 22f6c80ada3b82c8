"""Every kind of source: its name, the keys of its table, and a pace that makes sense."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from joulemark.cli.config_text import keys
from joulemark.collector.feeds import feed_of
from joulemark.config import FeedTable
from joulemark.pricing.source import Source
from joulemark.pricing.sources import KINDS, source
from joulemark.pricing.web import origin

RECORDED = ("azure_retail", "aws_bulk", "gcp_catalog", "lambda_cloud", "entsoe", "electricity_maps")
"""Kinds that were tried on recorded replies of the provider."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_a_source(kind: str) -> None:
    """The module of a kind holds its source, and keys that are frozen and each say what they mean."""
    found = source(kind)
    assert isinstance(found, Source)
    assert found.kind == kind
    assert found.config.__dataclass_params__.frozen
    assert [key.name for key in keys(found.config) if not key.sentence] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_pace_makes_sense(kind: str) -> None:
    """A price that is read on time is fresh, a fresh one is not too old to be used, and runs make nothing slower."""
    found = source(kind)
    assert found.retry_s >= 60
    assert (found.active_s or found.interval_s) <= found.max_age_s <= found.hard_limit_s
    assert (found.active_s or 0) <= found.interval_s


def test_what_was_never_tried_is_experimental() -> None:
    """Without a recorded reply a source says that it is experimental, and no other does."""
    assert {kind for kind in KINDS if not source(kind).experimental} == set(RECORDED)


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_are_files(kind: str) -> None:
    """No key of a table is a secret itself, and addresses are those of the web, with TLS."""
    config = source(kind).config
    names = [f.name for f in dataclasses.fields(config)]
    assert not {"key", "token", "password", "secret", "api_key"} & set(names)
    addresses = [f.default for f in dataclasses.fields(config) if f.name == "url" or f.name.endswith("_url")]
    assert all(origin(str(url)).startswith("https://") for url in addresses)


def test_the_tables_of_the_page_are_valid(repository: Path) -> None:
    """Every [[feed]] table that the reference shows can be put into a configuration as it stands."""
    page = (repository / "docs/reference/feeds.md").read_text(encoding="utf-8")
    tables = [table for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) for table in tomllib.loads(block).get("feed", ())]
    feeds = [feed_of(FeedTable(table["kind"], {k: v for k, v in table.items() if k != "kind"})) for table in tables]
    assert {"azure_retail", "aws_bulk", "gcp_catalog"} <= {feed.kind for feed in feeds}
