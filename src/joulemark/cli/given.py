"""The options of `joulemark cost`: from words to the prices that count, where and when a run is priced, and how is reckoned."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from joulemark import config, foreign, nearest
from joulemark.errors import UsageError

if TYPE_CHECKING:
    from joulemark.cards.reprice import Asked, Terms
    from joulemark.cli.subject import Subject
    from joulemark.pricing.amortise import Profile
    from joulemark.pricing.snapshot import Snapshot

LABELS: Final = {"provider": "provider", "region": "region", "instance": "instance_type", "price_model": "price_model", "system": "os"}
"""Option -> the label of a run that it replaces."""

SEED: Final = "the prices that come with joulemark"
"""Where nothing was ever imported."""

BASES: Final = ("measured_window", "allocated_uptime")


@dataclass(frozen=True)
class Given:
    """The options as they were given; None and empty where they were not."""

    prices: tuple[str, ...] = ()
    as_of: str | None = None
    known_at: str | None = None
    provider: str | None = None
    region: str | None = None
    instance: str | None = None
    price_model: str | None = None
    system: str | None = None
    basis: str = BASES[0]
    share: str | None = None
    share_any_list: bool = False
    billing_minimum: Decimal | None = None
    split: str | None = None
    profile: Path | None = None
    tariff: str | None = None
    tariff_zone: str | None = None
    pue: Decimal | None = None
    config_file: Path | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether another date, place, machine or zone is asked for than the run's own."""
        return any(getattr(self, name) for name in ("as_of", "known_at", "tariff_zone", *LABELS))

    def labels(self, found: Subject) -> dict[str, str]:
        """The labels in place of the run's own; a stated price is of something, be it unnamed. Raises UsageError for no price model."""
        from joulemark.pricing.price import PriceModel
        from joulemark.pricing.stated import HERE, UNNAMED, is_amount

        if self.price_model and self.price_model not in list(PriceModel):
            hint = nearest.hint(self.price_model, PriceModel, otherwise=f"use one of {', '.join(PriceModel)}")
            raise UsageError(f"no price model {self.price_model!r}", hint)
        labels = {label: getattr(self, option) for option, label in LABELS.items() if getattr(self, option)}
        if any(is_amount(word) for word in self.prices):
            named = {**found.evidence.run.labels, **labels}
            labels |= {label: UNNAMED for label in ("provider", "region", "instance_type") if not named.get(label)}
        if self.tariff or self.tariff_zone:
            labels["tariff_zone"] = self.tariff_zone or HERE
        return labels

    def asked(self, found: Subject) -> Asked:
        """Where and when the run is priced. Raises FormatError for what is no date."""
        from joulemark.cards.reprice import Asked, Basis
        from joulemark.pricing.dates import moment_ns

        begin_ns = moment_ns(self.as_of, "--as-of") if self.as_of else None
        own_ns = None if self.elsewhere or self.prices else found.evidence.as_of.known_at_ns
        known_at_ns = moment_ns(self.known_at, "--known-at") if self.known_at else own_ns
        return Asked(self.labels(found), begin_ns, known_at_ns, Basis(self.basis))

    def terms(self, profile: Profile | None) -> Terms:
        """How is reckoned. Raises UsageError."""
        from joulemark.cards.reprice import Terms
        from joulemark.pricing.split import Method

        return Terms(
            share=None if self.share is None else share_of(self.share),
            any_list=self.share_any_list,
            minimum_s=self.billing_minimum or Decimal(0),
            method=None if self.split is None else Method.named(self.split),
            profile=profile,
        )

    def during(self, found: Subject) -> tuple[int, int]:
        """The time that the run is priced at, from its first phase to its last, whether they count or not."""
        from joulemark.cards.evidence import counted
        from joulemark.pricing.dates import moment_ns

        windows = found.evidence.run.windows
        later_ns = moment_ns(self.as_of, "--as-of") - counted(found.evidence.run)[0].begin_ns if self.as_of else 0
        return min(w.begin_ns for w in windows) + later_ns, max(w.end_ns for w in windows) + later_ns

    def known(self, found: Subject, profile: Profile | None) -> tuple[Snapshot, list[str]]:
        """The prices that count, and where they are from. PUE is that of the option, else of the profile, else of each tariff."""
        from joulemark.cards.reprice import with_pue
        from joulemark.pricing import kept
        from joulemark.timebase import SystemClock

        clock, prices, sources = SystemClock(), found.prices, ["bundle"]
        if self.prices:
            prices, sources = self.stated(found, clock.utc_ns()), list(self.prices)
        elif self.elsewhere:
            settings = config.load(self.config_file)
            instance = self.instance or found.evidence.run.labels.get("instance_type", "")
            prices = prices.joined(kept.known(settings, clock, during=self.during(found), instance_type=instance))
            sources.append(str(kept.place(settings)) if kept.exists(settings) else SEED)
        if self.tariff:
            prices, sources = self.with_tariff(prices, found, clock.utc_ns()), [*sources, self.tariff]
        return with_pue(prices, profile.pue if self.pue is None and profile is not None else self.pue), sources

    def stated(self, found: Subject, read_ns: int) -> Snapshot:
        """The prices of `--price`, each a file or an amount; what they do not tell of electricity is the bundle's."""
        from joulemark.pricing import stated
        from joulemark.pricing.snapshot import Snapshot
        from joulemark.pricing.sources import manual

        labels = {**found.evidence.run.labels, **self.labels(found)}
        prices = Snapshot()
        for word in self.prices:
            if stated.is_amount(word):
                one = stated.price(word, labels=labels, gpu_count=gpus(found), valid_from_ns=self.begin_ns(found), read_ns=read_ns)
                prices = prices.joined(Snapshot((one,)))
            else:
                prices = prices.joined(manual.read(Path(word)))
        own = found.prices
        return prices.joined(Snapshot(tariffs=() if prices.tariffs else own.tariffs, rates=own.rates, carbons=own.carbons))

    def with_tariff(self, prices: Snapshot, found: Subject, read_ns: int) -> Snapshot:
        """The same prices with the stated tariff and no other."""
        from joulemark.pricing import stated
        from joulemark.pricing.snapshot import Snapshot

        one = stated.tariff(self.tariff or "", zone=self.labels(found)["tariff_zone"], valid_from_ns=self.begin_ns(found), read_ns=read_ns)
        return Snapshot(prices.prices, (one,), prices.rates, prices.carbons)

    def begin_ns(self, found: Subject) -> int:
        """When the run is taken to begin; what is stated holds from the first of its phases, which may not be one that counts."""
        from joulemark.cards.evidence import counted

        run = found.evidence.run
        moved_ns = self.asked(found).begin_ns
        offset_ns = 0 if moved_ns is None else moved_ns - counted(run)[0].begin_ns
        return max(0, min(window.begin_ns for window in run.windows) + offset_ns)


def share_of(word: str) -> tuple[int, int]:
    """GPUs used and rented of `4/8`. Raises UsageError."""
    used, _, rented = word.partition("/")
    if not all(part.isascii() and part.isdigit() and len(part) < 7 for part in (used, rented)):
        raise UsageError(f"--share {word} is no share", "give the GPUs used and the GPUs rented, for example 4/8")
    return int(used), int(rented)


def profile_of(path: Path) -> Profile:
    """The profile in a file. Raises FormatError and ConfigError."""
    from joulemark.pricing.amortise import Profile

    return Profile.parse(foreign.text(path, errors="strict"), where=str(path))


def gpus(found: Subject) -> int | None:
    """How many GPUs the machine of a run has, None where its evidence does not tell of one machine."""
    nodes = found.evidence.nodes.nodes
    return len(nodes[0].gpus) if len(nodes) == 1 and nodes[0].gpus else None
