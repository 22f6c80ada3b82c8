"""Entries for tests: a good one, and variants of it."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from typing import Any

from joulemark.board.entry import Entry
from joulemark.board.figures import Figures
from joulemark.standard.comparability import Key

PUBLISHED_NS = 1_793_000_000_000_000_000
"""2026-10-26, in the fourth quarter."""

KEY = Key("22" * 32, "fp8", "33" * 32, 640.0, 480.0, 64, None, "NODE_AC", "ES1")


def sha256(text: str) -> str:
    """Of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def figures(value_j: float | None = 250.0, u95_j: float | None = 5.0, **changed: Any) -> Figures:
    """Figures around one value per 1000 output tokens."""
    known = value_j is not None and u95_j is not None
    given = {
        "joules_per_1k_output_tokens": value_j,
        "u95_j_per_1k_output_tokens": u95_j,
        "joules_per_1k_total_tokens": 110.5,
        "joules_per_request": 120.25,
        "idle_w": 472.8,
        "uncertainty_rel": u95_j / value_j if value_j and u95_j is not None else None,
        "coverage": 1.0,
        "absent": {} if known else {"joules_per_1k_output_tokens": "the count is not known"},
    } | changed
    return Figures("median", **given)


def entry(number: int = 1, *, level: str = "ES1", key: Key | None = None, scope: str | None = None, **changed: Any) -> Entry:
    """Entry number `number`, published that many minutes after PUBLISHED_NS."""
    at_ns = changed.get("published_ns", PUBLISHED_NS + number * 60_000_000_000)
    found = dataclasses.replace(key or KEY, level=level)
    found = found if scope is None else dataclasses.replace(found, scope=scope)
    given: dict[str, Any] = {
        "entry_id": f"urn:uuid:{uuid.UUID(int=number)}",
        "published_ns": at_ns,
        "modified_ns": at_ns,
        "submitter": "Example Laboratory",
        "title": "Example-8B fp8 on 8 H100, NODE_AC",
        "level": level,
        "simulated": False,
        "key": found,
        "scope": found.scope,
        "boundary": "server_input",
        "figures": figures(),
        "card_sha256": sha256(f"card {number}"),
        "manifest_sha256": sha256(f"manifest {number}"),
        "bundle_sha256": sha256(f"bundle {number}"),
        "rule_set": "1.0",
        "run_begin_ns": at_ns - 86_400_000_000_000,
        "labels": {"model": "Example-8B", "gpu_type": "H100", "gpu_count": "8", "engine": "vllm"},
    }
    return Entry(**(given | changed))
