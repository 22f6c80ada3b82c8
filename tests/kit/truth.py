"""The true power of a simulated node: known exactly, so that every energy has a right answer.

Two GPUs under one load, the rest of the node, and a power supply whose loss is convex. Signals stand on a grid of 50 ms; an energy is
the difference of their running integral.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
STEP_S = 0.05
GPU_IDLE_W, GPU_LOAD_W, REST_IDLE_W, REST_LOAD_W = 90.0, 650.0, 260.0, 420.0
RAMP_S = 0.4


@dataclass(frozen=True)
class Truth:
    """Signals over `length_s` seconds. `load`: (begin, end, level) of each stretch under load, level 1 is full; level -1: no engine."""

    length_s: float
    load: Sequence[tuple[float, float, float]]
    seed: int = 0

    @cached_property
    def t_s(self) -> Float64:
        """float64[n], seconds."""
        return np.arange(0.0, self.length_s, STEP_S)

    @cached_property
    def level(self) -> Float64:
        """Share of full load, float64[n], with ramps, a slow wave and noise of 1 s."""
        rng = np.random.default_rng(self.seed)
        share = np.zeros(len(self.t_s))
        for begin_s, end_s, level in self.load:
            rise = np.clip((self.t_s - begin_s) / RAMP_S, 0.0, 1.0)
            fall = np.clip((end_s - self.t_s) / RAMP_S, 0.0, 1.0)
            share += level * np.minimum(rise, fall)
        wave = 1.0 + 0.006 * np.sin(2 * np.pi * self.t_s / 47.0 + rng.uniform(0, 6))
        steps = rng.normal(0.0, 0.008, int(self.length_s) + 2)[(self.t_s).astype(int)]
        return np.where(share > 0, share * (wave + steps), share)

    def gpu_w(self, index: int) -> Float64:
        """Power of one GPU."""
        tilt = 1.0 + 0.02 * index
        bare = np.where(self.level < 0, -30.0 * -self.level, 0.0)
        return (GPU_IDLE_W + bare + (GPU_LOAD_W - GPU_IDLE_W) * np.maximum(self.level, 0)) * tilt

    @cached_property
    def node_dc_w(self) -> Float64:
        """What the power supplies give."""
        rest = REST_IDLE_W + (REST_LOAD_W - REST_IDLE_W) * np.maximum(self.level, 0)
        return self.gpu_w(0) + self.gpu_w(1) + rest

    @cached_property
    def node_ac_w(self) -> Float64:
        """What they draw: a fixed loss, a share, and a convex part."""
        return 18.0 + 1.028 * self.node_dc_w + 2e-6 * self.node_dc_w**2

    def energy_j(self, signal: Float64, begin_s: float, end_s: float) -> float:
        """Exact energy of a signal over a window."""
        edges = np.interp([begin_s, end_s], self.t_s, running(signal))
        return float(edges[1] - edges[0])

    def averaged(self, signal: Float64, at_s: Float64, *, window_s: float) -> Float64:
        """Mean of a signal over the `window_s` before each time, float64[len(at_s)]."""
        total = running(signal)
        late, early = np.interp(at_s, self.t_s, total), np.interp(at_s - window_s, self.t_s, total)
        return (late - early) / window_s


def running(signal: Float64) -> Float64:
    """Integral from the beginning on, on the grid."""
    return np.concatenate(([0.0], np.cumsum((signal[1:] + signal[:-1]) / 2) * STEP_S))
