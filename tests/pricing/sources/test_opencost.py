"""Price sheets of OpenCost: hours, not months, of one's own nodes and GPUs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Options
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sources import recognise
from joulemark.pricing.sources.opencost import COLUMNS, IMPORTER, KIND, parse_sheet
from tests.pricing.records import DAY

FOLDER = "pricing/opencost"
HEAD = ",".join(COLUMNS) + ",Version\n"
OWN = Options(provider="Own", region="hall-1")
ROW = "2019-04-17 23:34:22 UTC,node-7,,node,metadata.name,,0.95,\n"


def parsed(text: str, options: Options = OWN) -> Harvest:
    return parse_sheet(text, name="sheet.csv", fetched_at_ns=DAY, options=options)


def prices(harvest: Harvest) -> list[Price]:
    return [record for record in harvest.records if isinstance(record, Price)]


def test_nodes_and_gpus(corpus: Path) -> None:
    """The sample has a node by the hour of the machine and two GPUs by the hour of one, which is no price of a machine."""
    text = (corpus / FOLDER / "pricing_schema.csv").read_text(encoding="utf-8")
    harvest = parsed(text)
    assert recognise(text) is IMPORTER
    assert [(p.instance_type, p.amount, p.unit) for p in prices(harvest)] == [
        ("gke-standard-cluster-1-pool-1-91dc432d-cg69", Decimal("0.1337"), Unit.INSTANCE_HOUR),
        ("Quadro_RTX_4000", Decimal("0.75"), Unit.GPU_HOUR),
        ("Quadro_RTX_4001", Decimal("0.80"), Unit.GPU_HOUR),
    ]
    node, gpu, _ = prices(harvest)
    assert (node.provider, node.region, node.price_model, node.currency) == ("own", "hall-1", PriceModel.CUSTOM, "USD")
    assert (node.sku_id, node.feed, node.effective_trust) == ("metadata.name=gke-standard-cluster-1-pool-1-91dc432d-cg69", KIND, Trust.NONE)
    with pytest.raises(FormatError, match="gpu_count is not given"):
        gpu.per_instance_hour()


def test_labels_of_several_ways_of_renting(corpus: Path) -> None:
    """Rows that differ by a label are prices of their own; a date in the future is not believed to be a beginning."""
    text = (corpus / FOLDER / "pricing_schema_mixed_gpu_ondemand.csv").read_text(encoding="utf-8")
    found = prices(parsed(text))
    assert {p.instance_type: p.amount for p in found} == {
        "Reserved": Decimal("0.654795"),
        "OnDemand": Decimal("0.90411"),
        "a100-ondemand": Decimal("0.5"),
        "a100-reserved": Decimal("1"),
    }
    assert {p.effective_from_ns for p in found} == {DAY}


def test_an_hour_is_no_month() -> None:
    """V15: 0.95 is the price of an hour and stays 0.95; divided by the hours of a month it would be 0.001301."""
    (price,) = prices(parsed(HEAD + ROW))
    assert price.per_instance_hour() == Decimal("0.95")


def test_region_and_type_of_the_row_win() -> None:
    """A row that names its region and type is of these; without one and without --region there is no price."""
    (price,) = prices(parsed(HEAD + ROW.replace("node-7,,", "node-7,hall-2,").replace("metadata.name,,", "metadata.name,big,")))
    assert (price.region, price.instance_type) == ("hall-2", "big")
    (told,) = parsed(HEAD + ROW, Options(provider="own")).rejected
    assert "names no region" in told.reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("0.95", "0"), "amount is zero"),
        (ROW.replace("0.95", ""), "MarketPriceHourly is empty"),
        (ROW.replace("0.95", "1/h"), "not a number"),
        (ROW.replace(",node,", ",pv,"), "no machine and no GPU"),
        (ROW.replace("node-7", ""), "InstanceID is empty"),
        (ROW.replace(",\n", "\n"), "not as many values"),
    ],
)
def test_a_row_without_a_price_is_told(row: str, reason: str) -> None:
    """A zero, an empty and a disk's row become no price, with their place and why; the row after them does."""
    harvest = parsed(HEAD + row + ROW)
    (told,) = harvest.rejected
    assert told.pointer == "row 2"
    assert reason in told.reason
    assert len(harvest.records) == 1


def test_whose_machines_they_are_is_said() -> None:
    """No provider is guessed, and another table is refused."""
    with pytest.raises(FormatError, match="whose machines") as caught:
        parsed(HEAD + ROW, Options())
    assert "--provider" in caught.value.next_step
    with pytest.raises(FormatError, match="has no column"):
        parsed("EndTimestamp,InstanceID\n")
    assert not IMPORTER.recognises("EndTimestamp,InstanceID\n")
