"""What the example calls of torch, with its types: tensors that hold nothing, on a machine without a GPU."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator


class Tensor:
    def square(self) -> Tensor:
        return self

    def mean(self) -> Tensor:
        return self

    def backward(self) -> None:
        time.sleep(0.01)


class nn:  # noqa: N801 - a module of torch
    class Linear:
        """A layer that gives what it is given."""

        def __init__(self, in_features: int, out_features: int) -> None: ...

        def to(self, device: str) -> nn.Linear:
            return self

        def parameters(self) -> Iterator[Tensor]:
            return iter((Tensor(),))

        def __call__(self, batch: Tensor) -> Tensor:
            return batch


class optim:  # noqa: N801 - a module of torch
    class AdamW:
        """An optimizer that leaves everything as it is."""

        def __init__(self, params: Iterable[Tensor], lr: float = 1e-3) -> None: ...

        def zero_grad(self) -> None: ...

        def step(self) -> None: ...


class cuda:  # noqa: N801 - a module of torch
    @staticmethod
    def is_available() -> bool:
        return False

    @staticmethod
    def synchronize() -> None: ...


def randn(*size: int, device: str = "cpu") -> Tensor:
    return Tensor()
