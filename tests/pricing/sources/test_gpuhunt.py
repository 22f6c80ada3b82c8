"""Catalogues of gpuhunt: one machine in each row, without currency and date."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Options
from joulemark.pricing.price import Price, PriceModel, Trust
from joulemark.pricing.sources import recognise
from joulemark.pricing.sources.gpuhunt import COLUMNS, IMPORTER, KIND, parse_catalogue
from tests.pricing.records import DAY

FOLDER = "pricing/gpuhunt"
HEAD = ",".join(COLUMNS) + "\n"
ROW = "p5.48xlarge,us-east-1,55.04,192,2048.0,8,H100,80.0,False\n"


def parsed(text: str, name: str = "aws.csv", options: Options | None = None) -> Harvest:
    return parse_catalogue(text, name=name, fetched_at_ns=DAY, options=options or Options())


def only(text: str, name: str = "aws.csv", options: Options | None = None) -> Price:
    (price,) = parsed(text, name, options).records
    assert isinstance(price, Price)
    return price


@pytest.mark.parametrize(
    ("name", "amounts"),
    [
        ("aws.csv", {"p5.48xlarge": "55.04", "p4d.24xlarge": "21.957642"}),
        ("azure.csv", {"Standard_ND96isr_H200_v5": "84.8", "Standard_NC24ads_A100_v4": "3.673"}),
    ],
)
def test_the_provider_is_in_the_name(corpus: Path, name: str, amounts: dict[str, str]) -> None:
    """Both samples are recognised; their prices are exact, of the provider in the file's name, and known from the import on."""
    text = (corpus / FOLDER / name).read_text(encoding="utf-8")
    harvest = parsed(text, name)
    prices = [p for p in harvest.records if isinstance(p, Price)]
    assert ({p.instance_type: p.amount for p in prices}, harvest.rejected) == ({k: Decimal(v) for k, v in amounts.items()}, ())
    assert recognise(text) is IMPORTER
    assert {p.provider for p in prices} == {name.partition(".")[0]}
    assert {(p.effective_trust, p.effective_from_ns, p.feed, p.source_url) for p in prices} == {(Trust.NONE, DAY, KIND, f"file:{name}")}
    assert all("names no currency" in p.note for p in prices)


def test_a_name_of_ones_own_is_the_name_of_the_provider() -> None:
    """`lambdalabs` and `vastai` are called as by the other sources; a file of another name needs to be told, and no name is guessed."""
    assert only(HEAD + ROW, "lambdalabs.csv").provider == "lambda"
    assert only(HEAD + ROW, "catalog.csv", Options(provider="VastAI")).provider == "vast"
    with pytest.raises(FormatError, match="of which provider") as caught:
        parsed(HEAD + ROW, "catalog.csv")
    assert "--provider" in caught.value.next_step
    with pytest.raises(FormatError, match="names the region"):
        parsed(HEAD + ROW, options=Options(region="us-east-1"))


def test_spot_is_another_price() -> None:
    """A spot row is no price on demand; of AWS the note says that it is the lowest of all zones."""
    spot = only(HEAD + ROW.replace("False", "True"))
    assert spot.price_model is PriceModel.SPOT
    assert "the lowest of all zones" in spot.note


def test_zones_of_google_are_no_regions() -> None:
    """us-central1-a lies in us-central1, whose prices are the same in all zones."""
    row = ROW.replace("p5.48xlarge,us-east-1", "a3-highgpu-8g,us-central1-a")
    assert only(HEAD + row, "gcp.csv").region == "us-central1"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("55.04", "0.0"), "amount is zero"),
        (ROW.replace("55.04", ""), "price is empty"),
        (ROW.replace("55.04", "-1"), "negative"),
        (ROW.replace("55.04", "nan"), "not a finite number"),
        (ROW.replace("False", "maybe"), "neither True nor False"),
        (ROW.replace("us-east-1", ""), "location is empty"),
        (ROW.replace("8,H100", "eight,H100"), "gpu_count"),
        (ROW.replace(",False", ""), "not as many values"),
    ],
)
def test_a_row_without_a_price_is_told(row: str, reason: str) -> None:
    """A zero, an empty and a damaged row become no price, with their place and why; the row after them does."""
    harvest = parsed(HEAD + row + ROW)
    (told,) = harvest.rejected
    assert told.pointer == "row 2"
    assert reason in told.reason
    assert len(harvest.records) == 1


def test_a_host_of_google_without_its_gpus_is_refused() -> None:
    """A machine that has GPUs, listed with none, is the price of its host."""
    (told,) = parsed(HEAD + "a2-highgpu-1g,us-central1-a,0.73948,12,85.0,0,,,False\n", "gcp.csv").rejected
    assert told.reason.startswith("host_only")


def test_what_is_known_of_a_machine_wins() -> None:
    """A count that is wrong is corrected and noted; a memory that no GPU has is left out."""
    wrong = only(HEAD + ROW.replace("8,H100,80.0", "12,H100,80.0"))
    assert (wrong.gpu_count, wrong.gpu_memory_gib) == (8, Decimal(80))
    assert "the list says 12 GPUs" in wrong.note
    unknown = only(HEAD + ROW.replace("p5.48xlarge", "p9.large").replace("80.0", "81920"))
    assert (unknown.gpu_count, unknown.gpu_memory_gib) == (8, None)
    cpu = only(HEAD + "m5.large,us-east-1,0.096,2,8.0,0,,,False\n")
    assert (cpu.gpu_count, cpu.gpu_memory_gib, cpu.vcpu) == (None, None, 2)


def test_other_columns_are_refused() -> None:
    """A table without a price is neither recognised nor parsed."""
    assert not IMPORTER.recognises("instance_name,location\n")
    with pytest.raises(FormatError, match="has no column"):
        parsed("instance_name,location\n")
