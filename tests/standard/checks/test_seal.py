"""INT-7: what a chain, a signature and a receipt are worth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.chain import Chain, Receipt
from joulemark.pki import seal
from joulemark.standard.case import Case
from joulemark.standard.checks.seal import int_7
from joulemark.standard.edition import edition
from joulemark.standard.trust import Key, Trust
from joulemark.standard.verdict import Outcome, Verdict
from tests.kit.hands import STRANGER
from tests.kit.spoil import good_case

RULE = edition().rule("INT-7")


def judged(case: Case, chain: Chain, grade: str = "ES2") -> Outcome:
    assert case.evidence is not None
    return int_7(replace(case, evidence=replace(case.evidence, chain=chain)), RULE, grade)


@pytest.fixture
def case() -> Case:
    return good_case("ES1")


@pytest.fixture
def chain(case: Case) -> Chain:
    assert case.evidence is not None
    return case.evidence.chain


@pytest.mark.parametrize(("role", "verdict"), [("agent", Verdict.PASS), ("collector", Verdict.FAIL), ("board", Verdict.FAIL)])
def test_a_key_counts_in_its_own_role(case: Case, chain: Chain, role: str, verdict: Verdict) -> None:
    """A signature in the role of the agent needs a key that is trusted as an agent's."""
    signed = replace(chain, signatures=(seal.signer(STRANGER, role="agent")(chain.head_sha256),))
    trusting = replace(case, trust=Trust((Key(seal.public_text(STRANGER), role, "lab 7"),)))
    outcome = judged(trusting, signed)
    assert outcome.verdict is verdict
    assert not outcome.contradiction


def test_a_signature_of_another_head_is_false(case: Case, chain: Chain) -> None:
    """A true signature of an earlier head is no signature of this one: the bundle contradicts itself."""
    earlier = chain.events[-2].sha256
    outcome = judged(case, replace(chain, signatures=(seal.signer(STRANGER, role="agent")(earlier),)), "ES1")
    assert (outcome.verdict, outcome.contradiction) == (Verdict.FAIL, True)


@pytest.mark.parametrize("seq", [-1, 10**6])
def test_a_receipt_of_no_event_is_false(case: Case, chain: Chain, seq: int) -> None:
    """A receipt has to stand at an event of this chain."""
    outcome = judged(case, replace(chain, receipts=(Receipt(seq, "0" * 64, 1, "who", "key", "word"),)))
    assert outcome.contradiction
    assert "receipt" in outcome.detail


def test_one_false_signature_beside_a_true_one_is_enough(case: Case, chain: Chain) -> None:
    """Nothing false may stand beside what is true."""
    false = replace(chain.signatures[0], signature="A" * 86 + "==")
    assert judged(case, replace(chain, signatures=(*chain.signatures, false))).contradiction
