"""Catalogues of SkyPilot: rows good and bad, each bad one told by what was wrong with it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.gates import plausible
from joulemark.pricing.importer import Options
from joulemark.pricing.price import Price, PriceModel, Trust
from joulemark.pricing.sources import recognise
from joulemark.pricing.sources.skypilot import COLUMNS, IMPORTER, KIND, gpu_memory_gib, parse_catalogue
from tests.pricing.records import DAY

FOLDER = "pricing/skypilot"
HEAD = ",".join(COLUMNS) + "\n"
H100 = "\"{'Gpus': [{'Name': 'H100', 'Count': 8.0, 'MemoryInfo': {'SizeInMiB': 81920}}], 'TotalGpuMemoryInMiB': 655360}\""
ROW = f"gpu-h100-8,H100,8,128,1600,{H100},eu-north1,23.60,10.00\n"


def parsed(text: str, name: str = "nebius_vms.csv", options: Options | None = None) -> Harvest:
    return parse_catalogue(text, name=name, fetched_at_ns=DAY, options=options or Options())


def recorded(corpus: Path, name: str) -> Harvest:
    text = (corpus / FOLDER / name).read_text(encoding="utf-8")
    assert recognise(text) is IMPORTER
    return parsed(text, name)


def prices(harvest: Harvest) -> list[Price]:
    return [record for record in harvest.records if isinstance(record, Price)]


def amounts(harvest: Harvest, model: PriceModel = PriceModel.ON_DEMAND) -> dict[str, Decimal]:
    return {p.instance_type: p.amount for p in prices(harvest) if p.price_model is model}


@pytest.mark.parametrize(
    ("name", "provider", "instance_type", "amount", "gpus", "gpu_memory_gib"),
    [
        ("v8_nebius_vms_gpu_excerpt.csv", "nebius", "gpu-h100-sxm_8gpu-128vcpu-1600gb", "23.60", 8, "80.0"),
        ("v8_lambda_vms_excerpt.csv", "lambda", "gpu_8x_h100_sxm5", "31.92", 8, "80.0"),
        ("v6_do_vms_excerpt.csv", "do", "gpu-h100x8-640gb", "47.60", 8, "79.6"),
    ],
)
def test_columns_stand_in_any_order(
    corpus: Path, name: str, provider: str, instance_type: str, amount: str, gpus: int, gpu_memory_gib: str
) -> None:
    """Each provider's file has its own order and its own spelling of GpuInfo; what is found is the same."""
    harvest = recorded(corpus, name)
    (found,) = [p for p in prices(harvest) if (p.instance_type, p.price_model) == (instance_type, PriceModel.ON_DEMAND)]
    assert (found.provider, found.amount, found.gpu_count) == (provider, Decimal(amount), gpus)
    assert (found.gpu_memory_gib, found.effective_trust, found.feed) == (Decimal(gpu_memory_gib), Trust.NONE, KIND)
    assert harvest.rejected == ()


def test_spot_is_another_price(corpus: Path) -> None:
    """Nebius rents four of its six machines by bid too; an empty column is no price and no complaint."""
    harvest = recorded(corpus, "v8_nebius_vms_gpu_excerpt.csv")
    assert (len(amounts(harvest)), len(amounts(harvest, PriceModel.SPOT))) == (6, 4)
    assert amounts(harvest, PriceModel.SPOT)["gpu-h200-sxm_8gpu-128vcpu-1600gb"] == Decimal("11.60")


def test_sizes_are_not_linear(corpus: Path) -> None:
    """Two GPUs of Lambda are 8.38, not twice 4.29."""
    found = amounts(recorded(corpus, "v8_lambda_vms_excerpt.csv"))
    assert (found["gpu_2x_h100_sxm5"], found["gpu_1x_h100_sxm5"]) == (Decimal("8.38"), Decimal("4.29"))


def test_machines_of_google_without_their_gpus_are_refused(corpus: Path) -> None:
    """0.73948 for an a2-highgpu-1g of 3.673385: all seven rows are hosts alone, and none becomes a price."""
    harvest = recorded(corpus, "v8_gcp_vms_excerpt.csv")
    assert harvest.records == ()
    assert [one.reason[:9] for one in harvest.rejected] == ["host_only"] * 7


def test_a_memory_of_80_mib_is_no_memory(corpus: Path) -> None:
    """`SizeInMiB: 80` was meant in GiB: the price stays, the memory is unknown."""
    harvest = recorded(corpus, "v8_runpod_vms_excerpt.csv")
    assert [(p.amount, p.gpu_count, p.gpu_memory_gib) for p in prices(harvest)] == [(Decimal("1.39"), 1, None), (Decimal("2.78"), 2, None)]


def test_a_spot_price_that_is_the_fixed_one_is_unknown(corpus: Path) -> None:
    """RunPod's spot prices are its fixed ones: they are told and not kept."""
    harvest = recorded(corpus, "v8_runpod_vms_excerpt.csv")
    assert amounts(harvest, PriceModel.SPOT) == {}
    assert [one.reason for one in harvest.rejected] == ["spot_unknown: SpotPrice is the fixed price"] * 2


def test_a_cluster_of_ones_own_costs_not_nothing(corpus: Path) -> None:
    """The row of Slurm has 0.0 in every column: it is recognised, and no price."""
    harvest = recorded(corpus, "v8_slurm_pricing.csv")
    assert harvest.records == ()
    assert [one.pointer for one in harvest.rejected] == ["row 2"]


def test_twelve_gpus_are_eight(corpus: Path) -> None:
    """The table knows that an ND96isr_H100_v5 has eight GPUs; the price is of the machine, and the note tells what the list said."""
    harvest = recorded(corpus, "azure_pr50_bad_rows.csv")
    assert {(p.instance_type, p.gpu_count) for p in prices(harvest)} == {("Standard_ND96isr_H100_v5", 8), ("Standard_ND96is_H100_v5", 8)}
    assert all("the list says 12 GPUs" in p.note for p in prices(harvest))


def test_an_empty_price_is_no_price(corpus: Path) -> None:
    """A row with neither price is told as such: an H100 was once listed at nothing."""
    (told,) = recorded(corpus, "azure_pr50_bad_rows.csv").rejected
    assert (told.pointer, told.reason) == ("row 2", "unpriced: Price is empty or zero")


def test_only_the_spot_price_is_there() -> None:
    """Without a fixed price the spot price is kept, and the fixed one told as missing."""
    for nothing in ("", "0.0"):
        harvest = parsed(HEAD + ROW.replace("23.60", nothing))
        assert (amounts(harvest), len(amounts(harvest, PriceModel.SPOT)), len(harvest.rejected)) == ({}, 1, 1)


def test_only_spot_prices_are_of_a_zone() -> None:
    """A fixed price holds in the whole region, so rows of several zones are one price of it."""
    head, rows = HEAD.replace("\n", ",AvailabilityZone\n"), [ROW.replace("\n", f",{zone}\n") for zone in ("a", "b")]
    harvest = parsed(head + "".join(rows))
    assert len({p.point_id for p in prices(harvest) if p.price_model is PriceModel.ON_DEMAND}) == 1
    assert {p.zone for p in prices(harvest) if p.price_model is PriceModel.SPOT} == {"a", "b"}


def test_a_price_of_a_cent_is_not_believed() -> None:
    """3.45 became 0.01 when another field of Mithril's reply was read: after 3.45 the gates refuse it, and a dearer 3.60 passes."""
    before, wrong, dearer = (
        parsed(HEAD + ROW.replace("23.60,10.00", f"{amount},"), "mithril.csv").records for amount in ("3.45", "0.01", "3.60")
    )
    passed, refused = plausible(wrong, before)
    assert passed == ()
    assert [one.reason[:12] for one in refused] == ["implausible:"]
    assert plausible(dearer, before) == (dearer, ())


@pytest.mark.parametrize(
    "info",
    [
        "__import__('os')._exit(7)",
        "exit(7)",
        "{'Gpus': [{'MemoryInfo': {'SizeInMiB': open('/etc/passwd')}}]}",
        "{'Gpus': [" * 300,
        "{'Gpus': [" + "(" * 3000,
        "H100",
        "",
        "7",
        "{'Gpus': []}",
        "{'Gpus': [7]}",
        "{'Gpus': [{'MemoryInfo': {'SizeInMiB': True}}]}",
        "{'Gpus': [{'MemoryInfo': {'SizeInMiB': '81920'}}]}",
        "{[]: 1}",
        "{'Gpus': [{'MemoryInfo': {'SizeInMiB': 81920}}]}" + " " * 5000,
    ],
)
def test_what_a_gpu_is_is_never_run(info: str) -> None:
    """GpuInfo is Python that a stranger wrote: it is read as a literal within bounds, or not at all."""
    assert gpu_memory_gib(info) is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("H100,8,", "H100,4,", 1), "AcceleratorCount is 4, and GpuInfo says 8.0"),
        (ROW.replace("H100,8,", "H100,0.167,", 1), "a share of a GPU"),
        (ROW.replace("23.60", "n/a"), "Price"),
        (ROW.replace("eu-north1", ""), "Region is empty"),
        (ROW.replace("gpu-h100-8", ""), "InstanceType is empty"),
        (ROW.replace(",10.00", ""), "not as many values"),
    ],
)
def test_a_row_that_contradicts_itself_is_told(row: str, reason: str) -> None:
    """Two counts, a share of a GPU, an empty region and a damaged row become no price; the row after them does."""
    harvest = parsed(HEAD + row + ROW)
    assert reason in harvest.rejected[0].reason
    assert harvest.rejected[0].pointer == "row 2"
    assert len(harvest.records) == 2


def test_the_provider_is_named_or_told() -> None:
    """`vms.csv` does not say of whom it is, nor does a name with two providers; what is given on import wins."""
    for name in ("vms.csv", "aws_azure.csv"):
        with pytest.raises(FormatError, match="of which provider") as caught:
            parsed(HEAD + ROW, name)
        assert "--provider" in caught.value.next_step
    assert {p.provider for p in prices(parsed(HEAD + ROW, "vms.csv", Options(provider="Nebius")))} == {"nebius"}
    with pytest.raises(FormatError, match="names the region"):
        parsed(HEAD + ROW, options=Options(region="eu-north1"))


def test_other_columns_are_refused() -> None:
    """A table without a price is neither recognised nor parsed."""
    assert not IMPORTER.recognises("InstanceType,Region\n")
    with pytest.raises(FormatError, match="has no column"):
        parsed("InstanceType,Region\n")
