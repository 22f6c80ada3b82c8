"""An offer as Vast.ai writes it."""

from __future__ import annotations

from typing import Any, Final

OFFER: Final[dict[str, Any]] = {
    "id": 21348645,
    "machine_id": 150014,
    "dph_base": 2.00,
    "storage_cost": 0.15,
    "min_bid": 1.5,
    "num_gpus": 8,
    "gpu_name": "H100 SXM",
    "gpu_ram": 81559,
    "geolocation": "Ontario, CA",
    "verification": "verified",
    "cuda_max_good": 12.8,
}
