"""The separate checker of `make price-refresh-live`: `python -m tests.price_live.checker WORKDIR` prints one JSON line, exits 1 when red.

It takes the true prices from the recorded files, reads prices.db as plain SQLite, and compares with what the collector answered. It
imports nothing of the product.
"""

from __future__ import annotations

import csv
import datetime
import gzip
import hashlib
import json
import re
import sqlite3
import sys
from contextlib import closing
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

S = 10**9
SLACK_S = 2.5
"""A busy machine may be so late."""
STOP_S = 8.0
TOLD = {"down": "cannot be read", "slow": "was not read within the 6 s"}


def ns(text: str) -> int:
    """UTC nanoseconds of a time in RFC 3339."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * S + int(fraction.ljust(9, "0")[:9] or 0)


class Evidence:
    """What a run left behind, and the recorded files."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.plan = json.loads((work / "plan.json").read_text())
        self.left = json.loads((work / "left.json").read_text(), parse_float=Decimal)
        self.corpus = Path(self.plan["corpus"])
        with closing(sqlite3.connect(work / "data" / "prices.db")) as db:
            fetches = [json.loads(body) for (body,) in db.execute("SELECT body FROM price_fetch ORDER BY requested_at_ns")]
            self.rates = {
                json.loads(body)["quote"]: Decimal(json.loads(body)["rate"]) for (body,) in db.execute("SELECT body FROM fx_point")
            }
            self.tariffs = [Decimal(json.loads(body)["amount"]) for (body,) in db.execute("SELECT body FROM tariff_point")]
        self.rows = list(zip(self.plan["providers"], self.left["feeds"], strict=True))
        self.fetches = {
            provider["name"]: [one for one in fetches if (one["feed"], one["scope"]) == (row["feed"], row["scope"])]
            for provider, row in self.rows
        }

    def recorded(self, name: str) -> Any:
        """A recorded reply as JSON, numbers as written."""
        return json.loads((self.corpus / name).read_text(), parse_float=Decimal)


def azure(evidence: Evidence, machine: str) -> Decimal:
    """The Linux price on demand of a recorded reply."""
    rows = evidence.recorded(f"azure/retail_eastus_Standard_{machine}_nofilter_preview.json")["Items"]
    fitting = [
        row["retailPrice"]
        for row in rows
        if row["type"] == "Consumption" and "Windows" not in row["productName"] and not re.search("Spot|Low Priority", row["meterName"])
    ]
    assert len(fitting) == 1
    return Decimal(fitting[0])


def truth(evidence: Evidence) -> dict[str, Decimal]:
    """The price of the machine that was asked for at each provider, from its recorded file."""
    with (evidence.corpus / "aws/karpenter_static_ondemand_gpu_us-east-1_20260720.csv").open(newline="") as table:
        aws = {row["instance_type"]: Decimal(row["usd_per_hour"]) for row in csv.DictReader(table)}
    machines = evidence.recorded("neocloud/lambda_instance-types_20260730.json")["data"]
    return {
        "pages": azure(evidence, "D2s_v3"),
        "unchanged": aws["p5.48xlarge"],
        "down": Decimal(12) * Decimal("0.031611") + Decimal(85) * Decimal("0.004237") + Decimal("2.933908"),
        "liar azure": azure(evidence, "D2als_v7"),
        "liar lambda": Decimal(machines["gpu_1x_a10"]["instance_type"]["price_cents_per_hour"]) / 100,
    }


def wrong_prices(evidence: Evidence) -> list[str]:
    """The price of each machine is the recorded one, read when it was really read."""
    found = []
    for name, amount in truth(evidence).items():
        answer = evidence.left["answers"][name]
        price = answer["price"]
        if price is None or Decimal(price["amount"]) != amount:
            found.append(f"{name}: {amount} was recorded, the answer is {answer['status']} {price and price['amount']}")
            continue
        read_ns = ns(price["fetched_at"])
        good = [one for one in evidence.fetches[name] if one["outcome"] in ("ok", "not_modified")]
        if not any(ns(one["requested_at"]) <= read_ns <= ns(one["fetched_at"]) for one in good):
            found.append(f"{name}: read {price['fetched_at']}, when no good reading was going on")
        if name not in ("pages", "unchanged") and read_ns > evidence.plan["turned_ns"] + SLACK_S * S:
            found.append(f"{name}: read {price['fetched_at']}, when it gave no true price any more")
    rates = dict(USD="1.25", CNY="8.0", GBP="0.85", JPY="170.5", CHF="0.93", SEK="11.2")
    if evidence.rates != {code: Decimal(rate) for code, rate in rates.items()}:
        found.append(f"rates of the ECB in the store: {evidence.rates}")
    listed = re.findall(
        r"<price.amount>([\d.]+)</price.amount>", (evidence.corpus / "electricity/entsoe_A44_NL_2025-09-17_PT60M.xml").read_text()
    )
    if {amount / 1000 for amount in map(Decimal, listed)} != set(evidence.tariffs):
        found.append(f"tariffs of ENTSO-E in the store: {sorted(set(evidence.tariffs))}")
    return found


def wrong_outcomes(evidence: Evidence) -> list[str]:
    """Each feed ends as its role has it, and the last good reading of a bad one lies before it turned bad."""
    found = []
    for provider, row in evidence.rows:
        name, role = provider["name"], provider["role"]
        expected = {"good": "not_modified", "down": "failed", "slow": "failed"}.get(role, "held")
        if row["outcome"] != expected:
            found.append(f"{name} ({role}): outcome {row['outcome']} {row['error']}")
        if (row["error"] == "") != (role == "good") or TOLD.get(role, "") not in row["error"]:
            found.append(f"{name} ({role}): its error is {row['error']!r}")
        good_before = row["last_good_ns"] is not None and row["last_good_ns"] <= evidence.plan["turned_ns"] + SLACK_S * S
        if role != "good" and not good_before:
            found.append(f"{name} ({role}): last good reading at {row['last_good_ns']}, it turned bad at {evidence.plan['turned_ns']}")
        bad = [one for one in evidence.fetches[name] if ns(one["requested_at"]) > evidence.plan["turned_ns"] and one["outcome"] == "ok"]
        if role != "good" and bad:
            found.append(f"{name} ({role}): taken after it turned bad: {bad[0]}")
    pages = max(one["pages"] for one in evidence.fetches["pages"])
    if pages < 2 or pages != -(-9 // evidence.plan["per_page"]):
        found.append(f"pages: {pages} pages of 9 rows, {evidence.plan['per_page']} each")
    if not any(one["http_status"] == 304 for one in evidence.fetches["unchanged"]) or not evidence.plan["conditional"]:
        found.append("unchanged: the list was never asked for with its validators, or never found unchanged")
    return found


def wrong_words(evidence: Evidence) -> list[str]:
    """REST, metrics and store say the same."""
    found = []
    metrics = dict(line.rsplit(" ", 1) for line in evidence.left["metrics"].splitlines() if line and not line.startswith("#"))
    for provider, row in evidence.rows:
        name, labels = provider["name"], f'feed="{row["feed"]}",scope="{row["scope"]}"'
        stored = [one for one in evidence.fetches[name] if ns(one["requested_at"]) < evidence.left["asked_ns"]]
        for outcome, count in row["attempts"].items():
            there = sum(one["outcome"] == outcome for one in stored)
            told = int(metrics.get(f'joulemark_price_fetches_total{{{labels},outcome="{outcome}"}}', -1))
            if not count <= told <= count + 1 or not count <= there <= count + 1:
                found.append(f"{name}: {count} {outcome} in REST, {told} in metrics, {there} in the store")
        age = (evidence.left["asked_ns"] - row["last_good_ns"]) / S
        for where, told_s in (("REST", row["age_s"]), ("metrics", metrics.get(f"joulemark_price_age_seconds{{{labels}}}", "-1"))):
            if abs(float(told_s) - age) > EVERY_AND_SLACK_S:
                found.append(f"{name}: {told_s} s old in {where}, {age:.1f} s since its last good reading")
    return found


EVERY_AND_SLACK_S = 2 + SLACK_S
"""Between the two answers a feed may be read once more."""


def gaps(evidence: Evidence) -> float:
    """Longest time between two readings of a good feed, in seconds."""
    longest = 0.0
    for provider, _ in evidence.rows:
        if provider["role"] == "good":
            times = [ns(one["requested_at"]) for one in evidence.fetches[provider["name"]]]
            longest = max([longest, *((b - a) / S for a, b in pairwise([*times, evidence.plan["stop_ns"]]))])
    return longest


def wrong_course(evidence: Evidence) -> list[str]:
    """No feed delays another, the end comes at once, replies are kept as they came, and no key is written anywhere."""
    found = []
    plan = evidence.plan
    if gaps(evidence) > plan["every_s"] + SLACK_S:
        found.append(f"a good feed was not read for {gaps(evidence):.1f} s, its interval is {plan['every_s']} s")
    if plan["status"] != 0 or plan["stopped_ns"] - plan["stop_ns"] > STOP_S * S:
        found.append(f"the collector ended with {plan['status']} after {(plan['stopped_ns'] - plan['stop_ns']) / S:.1f} s")
    for name, fetches in evidence.fetches.items():
        for one in fetches:
            if one["outcome"] == "ok" and one["pages"] == 1 and not kept(evidence, one["raw_sha256"]):
                found.append(f"{name}: what was read is not kept as {one['raw_sha256']}")
    for path in evidence.work.rglob("*"):
        if path.is_file() and path.name not in ("key", "plan.json") and plan["key"].encode() in path.read_bytes():
            found.append(f"the key of a provider stands in {path.relative_to(evidence.work)}")
    return found


def kept(evidence: Evidence, sha256: str) -> bool:
    """Whether a reply lies under its hash, and has it."""
    path = evidence.work / "data" / "prices" / "raw" / sha256[:2] / f"{sha256}.gz"
    return path.exists() and hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == sha256


def main(work: Path) -> int:
    evidence = Evidence(work)
    wrong = [*wrong_prices(evidence), *wrong_outcomes(evidence), *wrong_words(evidence), *wrong_course(evidence)]
    for line in wrong:
        print(line, file=sys.stderr)
    fetches = [one for of_feed in evidence.fetches.values() for one in of_feed]
    counts = {outcome: sum(one["outcome"] == outcome for one in fetches) for outcome in ("ok", "not_modified", "held", "failed")}
    figures = {"ok": not wrong, "seed": evidence.plan["seed"], "feeds": len(evidence.rows), "attempts": counts, "wrong": len(wrong)}
    figures |= {"lies": [provider["role"] for provider, _ in evidence.rows if provider["name"].startswith("liar")]}
    print(json.dumps({**figures, "longest_gap_s": round(gaps(evidence), 2), "mutate": evidence.plan["mutate"]}))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
