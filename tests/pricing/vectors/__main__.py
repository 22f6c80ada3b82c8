"""The worked vectors of prices and costs, computed by the product: `make price-vectors`. JOULEMARK_CORPUS names the recorded corpus.

Inputs and expectations are read from the corpus, and so are the lists that a vector names. Every figure is compared as decimal text.
MUTATE=V01 changes an input of that vector, which must turn it red. Ends with a line of JSON; exits 1 unless all are exact.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.pricing.vectors.formulas import FORMULAS
from tests.pricing.vectors.samples import SAMPLES
from tests.pricing.vectors.vector import Vectors, differences


def main() -> int:
    named = os.environ.get("JOULEMARK_CORPUS")
    if not named:
        print("JOULEMARK_CORPUS is not set: the vectors lie in the recorded corpus, name its folder", file=sys.stderr)
        return 1
    vectors = Vectors.read(Path(named))
    if mutate := os.environ.get("MUTATE"):
        vectors = vectors.changed(mutate, next(iter(vectors.by_id[mutate]["inputs"])))
    exact = 0
    for name, vector in vectors.by_id.items():
        wrong = differences(vectors, name, {**FORMULAS, **SAMPLES}.get(name))
        exact += not wrong
        print(f"{name:5} {'NOT EXACT' if wrong else 'exact'}  {vector['title']}")
        print("".join(f"        {line}\n" for line in wrong), end="")
    print(json.dumps({"vectors": len(vectors.by_id), "exact": exact}))
    return 0 if exact == len(vectors.by_id) else 1


if __name__ == "__main__":
    sys.exit(main())
