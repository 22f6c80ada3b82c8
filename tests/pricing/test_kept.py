"""Where prices are kept: one store, and what stood in the former file is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from joulemark.config import CollectorConfig, Config, PricesConfig
from joulemark.errors import ConfigError, FormatError
from joulemark.pricing import kept
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import manual
from tests.conftest import ManualClock
from tests.pricing.records import CUT, price, tariff


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(collector=CollectorConfig(data_dir=tmp_path))


def test_the_data_folder_or_the_configured_file(tmp_path: Path, config: Config) -> None:
    """The store is prices.db in the data folder, or the file that is named."""
    assert kept.place(config) == tmp_path / "prices.db"
    assert kept.place(Config(prices=PricesConfig(tmp_path / "mine.db"))) == tmp_path / "mine.db"


@pytest.mark.parametrize("name", ["prices.json", "mine.toml"])
def test_a_price_file_is_no_store(tmp_path: Path, name: str) -> None:
    """A configuration that names a price file says how to take it over, and does not touch it."""
    with pytest.raises(ConfigError, match="is a price file") as caught:
        kept.place(Config(prices=PricesConfig(tmp_path / name)))
    assert f"joulemark price import {tmp_path / name}" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_looking_makes_no_file(tmp_path: Path, config: Config, manual_clock: ManualClock) -> None:
    """Where nothing was ever kept there is nothing, and no file is made."""
    assert kept.snapshot(config, manual_clock) == Snapshot()
    assert not kept.exists(config)
    assert list(tmp_path.iterdir()) == []


def test_the_former_file_is_taken_once(tmp_path: Path, config: Config, manual_clock: ManualClock) -> None:
    """Every record of prices.json is in the store at the first opening, the file stays as it is, and later openings add nothing."""
    former = Snapshot((price(), price(**CUT), price(fetched_at="2024-03-01")), (tariff(),))
    manual.write(tmp_path / "prices.json", former)
    before = (tmp_path / "prices.json").read_bytes()
    for _ in range(3):
        assert kept.snapshot(config, manual_clock) == former
        manual_clock.advance(10**9)
    with kept.opened(config, manual_clock) as store:
        (only,) = store.fetches()
    assert (only.feed, only.url, only.rows_parsed) == ("manual", "file:prices.json", 4)
    assert (tmp_path / "prices.json").read_bytes() == before


def test_a_former_file_that_grew_is_taken_again(tmp_path: Path, config: Config, manual_clock: ManualClock) -> None:
    """What an older version adds to its file later is not lost either."""
    manual.write(tmp_path / "prices.json", Snapshot((price(),)))
    kept.snapshot(config, manual_clock)
    manual.write(tmp_path / "prices.json", Snapshot((price(), price(**CUT))))
    manual_clock.advance(10**9)
    assert kept.snapshot(config, manual_clock) == Snapshot((price(), price(**CUT)))


def test_a_former_file_that_is_damaged_is_told(tmp_path: Path, config: Config, manual_clock: ManualClock) -> None:
    """A damaged file is an error with its name, not an empty list, and no store is made beside it."""
    (tmp_path / "prices.json").write_text("{", encoding="utf-8")
    with pytest.raises(FormatError, match=r"prices\.json is not valid JSON"):
        kept.snapshot(config, manual_clock)
    assert not (tmp_path / "prices.db").exists()


def test_a_narrow_question(tmp_path: Path, config: Config, manual_clock: ManualClock) -> None:
    """Names and a known time go to the store."""
    manual.write(tmp_path / "prices.json", Snapshot((price(), price(**CUT), price(region="eu-west-1"))))
    narrow = kept.snapshot(config, manual_clock, known_at_ns=price().known_ns, region="US-EAST-1")
    assert narrow == Snapshot((price(),))


def test_a_look_up_has_the_bundled_prices(tmp_path: Path, config: Config, manual_clock: ManualClock) -> None:
    """Where nothing was kept a look-up finds the price that comes with Joulemark, and the kept one as soon as there is one."""
    wanted: dict[str, Any] = {
        "provider": "aws",
        "instance_type": "p5.48xlarge",
        "region": "us-east-1",
        "valid_at_ns": manual_clock.utc_ns(),
    }
    first = kept.known(config, manual_clock, instance_type="p5.48xlarge").lookup(**wanted)
    assert (first.status, first.price and first.price.feed) == ("bundled", "bundled")
    assert list(tmp_path.iterdir()) == []
    manual.write(tmp_path / "prices.json", Snapshot((price(amount="60"),)))
    then = kept.known(config, manual_clock, instance_type="p5.48xlarge").lookup(**wanted)
    assert (then.status, then.price and then.price.feed) == ("manual", "manual")
    assert kept.known(config, manual_clock, known_at_ns=0, provider="azure") == Snapshot()
