"""Carbon intensity of a zone's electricity, from Electricity Maps: average, flow-traced where it says so, often estimated at first.

The latest value is commonly a forecast and is replaced within two days. So each hour the value of two days ago is asked for as well: what
was known at the time stays, and what is known now stands beside it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from joulemark import config, document
from joulemark.errors import ConfigError, FormatError, RemoteUnreachable
from joulemark.pricing import money
from joulemark.pricing.carbon import Carbon, CarbonKind
from joulemark.pricing.dates import believable, moment_ns
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.source import Source
from joulemark.pricing.web import Reply, Web
from joulemark.units import NS_PER_S

KIND: Final = "electricity_maps"
HOUR_S: Final = 3600
LASTING_S: Final = {"hourly": 3600, "15_minutes": 900, "5_minutes": 300}
"""How long a value holds; replies of 2023 do not say it and were by the hour."""

SAID: Final = ("error", "message")
"""Keys under which a refusal says why."""


@dataclass(frozen=True)
class Config:
    """Keys of a `[[feed]]` of kind `electricity_maps`."""

    zone: str
    """Zone as Electricity Maps writes it, for example DK-DK2."""
    key_file: Path
    """File with the token of the account; nobody else may read it."""
    revise_after_h: int = 48
    """After how many hours a value is asked for again, when its estimate was replaced; 0 for never, as a plan without history needs."""
    url: str = "https://api.electricitymaps.com/v3/carbon-intensity"
    """Address of the service, without the last part."""

    def __post_init__(self) -> None:
        if not 0 <= self.revise_after_h <= 24 * 365:
            raise ConfigError(f"electricity_maps revise_after_h = {self.revise_after_h} is not from 0 to a year", "the default is 48")


def parse_intensity(body: bytes, *, zone: str, fetched_at_ns: int, source_url: str) -> Harvest:
    """The intensity that one reply states; rejected, with the reason, where it states none.

    Raises FormatError for a refusal, for another zone, and for a reply of another shape.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise FormatError("the reply of Electricity Maps is not UTF-8", "the reply is damaged, or of another service") from error
    data = document.json_object(text, where="the reply of Electricity Maps", number=Decimal)
    if "carbonIntensity" not in data:
        said = next((str(data[key])[:300] for key in SAID if key in data), "it names no carbonIntensity")
        raise FormatError(f"Electricity Maps has no intensity of {zone}: {said}", "check the zone, the key and what the plan covers")
    if data.get("zone") != zone:
        raise FormatError(f"Electricity Maps answered for {document.shown(data.get('zone'))}, not for {zone}", "write the zone as it does")
    try:
        return Harvest((intensity(data, zone=zone, fetched_at_ns=fetched_at_ns, source_url=source_url),))
    except FormatError as error:
        return Harvest(rejected=(Rejected("carbonIntensity", error.what),))


def intensity(data: Mapping[str, Any], *, zone: str, fetched_at_ns: int, source_url: str) -> Carbon:
    """The record of one reply. Raises FormatError where its value or its time is missing or of another kind."""
    if data["carbonIntensity"] is None:
        raise FormatError("carbonIntensity is null: there is no value for this hour", "it is asked again within the hour")
    granularity = data.get("temporalGranularity", "hourly")
    if not isinstance(granularity, str) or granularity not in LASTING_S:
        raise FormatError(f"temporalGranularity {document.shown(granularity)} is not known", f"known are {', '.join(LASTING_S)}")
    begin_ns = moment_ns(data.get("datetime"), "datetime")
    return Carbon(
        zone=zone,
        g_per_kwh=money.amount(data["carbonIntensity"], "carbonIntensity"),
        kind=CarbonKind.AVERAGE,
        effective_from_ns=begin_ns,
        effective_to_ns=believable(begin_ns + LASTING_S[granularity] * NS_PER_S, "datetime"),
        fetched_at_ns=fetched_at_ns,
        source_url=source_url,
        estimated=data.get("isEstimated") is not False or bool(data.get("estimationMethod")),
        feed=KIND,
        note=note(data),
    )


def note(data: Mapping[str, Any]) -> str:
    """How the value was made, in the words of the reply."""
    factors = data.get("emissionFactorType")
    parts = [f"{factors} emission factors" if factors else "emission factors not named"]
    if data.get("flowTraced"):
        parts.append("flow-traced")
    if "isEstimated" not in data:
        parts.append("not said whether estimated, so taken as estimated")
    if data.get("estimationMethod"):
        parts.append(f"estimated by {data['estimationMethod']}")
    if data.get("updatedAt"):
        parts.append(f"updated {data['updatedAt']}")
    return "; ".join(parts)[:300]


async def gather(settings: Config, web: Web) -> Harvest:
    """The latest intensity, and the one of some days ago in its final form. Raises what `Web.get` and `parse_intensity` do.

    Where the older one is refused, the latest stands alone and the refusal is told.
    """
    secret = {"auth-token": config.read_secret(settings.key_file, "electricity_maps key_file")}

    def parsed(reply: Reply) -> Harvest:
        return parse_intensity(reply.body, zone=settings.zone, fetched_at_ns=reply.fetched_at_ns, source_url=reply.url)

    latest = parsed(await web.get(f"{settings.url}/latest", params={"zone": settings.zone}, secret=secret))
    if not settings.revise_after_h:
        return latest
    hour = datetime.datetime.fromtimestamp(web.clock.utc_ns() // NS_PER_S // HOUR_S * HOUR_S, datetime.UTC)
    then = f"{hour - datetime.timedelta(hours=settings.revise_after_h):%Y-%m-%dT%H:%M:%SZ}"
    try:
        older = parsed(await web.get(f"{settings.url}/past", params={"zone": settings.zone, "datetime": then}, secret=secret))
    except (RemoteUnreachable, FormatError) as error:
        older = Harvest(rejected=(Rejected(f"past {then}", str(error)),))
    return Harvest(latest.records + older.records, latest.rejected + older.rejected)


SOURCE: Final = Source(KIND, Config, gather, interval_s=HOUR_S, max_age_s=2 * HOUR_S)
