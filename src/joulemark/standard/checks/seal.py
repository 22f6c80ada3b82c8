"""Rule INT-7: the chain of events is whole, belongs to this run, and is signed by a key that counts."""

from __future__ import annotations

from typing import Final

from joulemark.chain import MARK, Chain
from joulemark.pki import seal
from joulemark.standard.case import Case
from joulemark.standard.edition import Rule
from joulemark.standard.trust import KIT
from joulemark.standard.verdict import Outcome, Verdict, cannot_tell

LIMIT: Final = "chain unbroken, every phase marked, signed by a key that the verifier trusts"
SOURCE: Final = "energy/chain.json"
REQUIRED: Final = "signature"
"""Name of the limit that says whether a column wants a trusted signature: 1 or 0."""


def int_7(case: Case, rule: Rule, grade: str) -> Outcome:
    """What is there has to be true, in either column; a trusted signature is wanted where the edition says so."""
    chain = None if case.evidence is None else case.evidence.chain
    if chain is None or not chain.events:
        return cannot_tell(case.faults.get(SOURCE, f"there is no {SOURCE}: nothing binds the marks"), source=SOURCE, limit=LIMIT)
    measured = {"events": len(chain.events), "signatures": len(chain.signatures), "receipts": len(chain.receipts)}
    if false := [*chain.broken(), *false_seals(chain), *other_run(case, chain)]:
        more = f"; and {len(false) - 1} more" if len(false) > 1 else ""
        return Outcome(Verdict.FAIL, measured, LIMIT, SOURCE, false[0] + more, contradiction=True)
    if absent := unmarked(case, chain):
        return Outcome(Verdict.FAIL, measured, LIMIT, SOURCE, f"no mark in the chain: {', '.join(absent[:3])}")
    return signed(case, chain, measured=measured, required=bool(rule.limit(grade, REQUIRED)))


def signed(case: Case, chain: Chain, *, measured: dict[str, int], required: bool) -> Outcome:
    """What the keys are worth: a stranger's proves that the bundle was not changed since, not who made it."""
    if not chain.signatures:
        if required:
            return cannot_tell("nobody signed the head of the chain", source=f"{SOURCE}: signatures", limit=LIMIT)
        return Outcome(Verdict.WARN, measured, LIMIT, SOURCE, "nobody signed the head of the chain")
    known = [key for one in chain.signatures if (key := case.trust.key(one.public_key)) is not None and key.role in (one.role, KIT)]
    if known:
        owners = ", ".join(f"{key.owner or key.public_key[:12]} ({key.role})" for key in known)
        return Outcome(Verdict.PASS, measured, LIMIT, SOURCE, f"signed by {owners}")
    detail = f"the signing key {chain.signatures[0].public_key[:44]} is not in the list of trusted keys"
    return Outcome(Verdict.FAIL if required else Verdict.WARN, measured, LIMIT, SOURCE, detail)


def false_seals(chain: Chain) -> list[str]:
    """Signatures and receipts that were not made by the key they name over the hash they stand at."""
    found = [
        f"the signature of the {one.role} is false"
        for one in chain.signatures
        if one.head_sha256 != chain.head_sha256 or not seal.holds(one.public_key, one.head_sha256, one.signature)
    ]
    for one in chain.receipts:
        seen = 0 <= one.seq < len(chain.events) and chain.events[one.seq].sha256 == one.sha256
        if not seen or not seal.holds(one.public_key, one.signed_sha256, one.signature):
            found.append(f"the receipt of event {one.seq} is false")
    return found


def other_run(case: Case, chain: Chain) -> list[str]:
    """Whether the chain says that it is of another run."""
    run_id = "" if case.run is None else case.run.run_id
    told = [event.data.get("run_id") for event in chain.of_kind("run")]
    return [f"the chain is of run {str(one)[:40]!r}, the phases are of {run_id!r}" for one in told if one != run_id][:1]


def unmarked(case: Case, chain: Chain) -> list[str]:
    """The edges of phases that no event tells of, in words."""
    told = {(event.data.get("phase"), event.data.get("edge")) for event in chain.of_kind(MARK)}
    windows = () if case.run is None else case.run.windows
    return [f"{edge} of {window.name}" for window in windows for edge in ("begin", "end") if (window.name, edge) not in told]
