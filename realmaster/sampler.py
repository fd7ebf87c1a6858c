"""Few-step in-context sampling over four graphs; the same code for ONNX Runtime and torch.

Rectified flow: x_sigma = (1 - sigma) x_0 + sigma noise, so x_0 = x - sigma v. Steps are Euler in
sigma, from 1 down, with sigmas evenly spaced (not FlowMatchEuler's, whose last step is wasted).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.codec import Pixels
from bridge.protocol import ModelSpec, Window
from bridge.server import Rendered

F32 = NDArray[np.float32]
TEMPORAL = 4
"""Frames in a latent frame; the first latent of a window holds one frame (grid 4k + 1)."""
MAX_STEPS = 50
CARRY_WEIGHT = 0.5
"""Share of the previous chunk's latent where two chunks overlap; its influence halves with every chunk."""


class Graphs(Protocol):
    """The model's four functions, on f32 arrays; shapes as in `trt_engines.ort`."""

    def encode(self, video: F32) -> F32: ...
    def write(self, reference: F32) -> F32: ...
    def read(self, noisy: F32, timestep: float, cache: F32) -> F32: ...
    def decode(self, latent: F32, video: F32) -> F32: ...


@dataclass(frozen=True)
class Carry:
    """What a window hands to the one that continues it: its latents (1, C, L, h, w)."""

    latents: F32


def noise(seed: int, segment: int, first: int, shape: tuple[int, ...]) -> F32:
    """Gaussian noise (1, C, L, h, w), the same for a latent frame in whichever window it falls.

    `first` is the place in its segment of the window's first latent frame.
    """
    _, channels, frames, height, width = shape
    parts = [np.random.Generator(np.random.Philox(key=[seed, segment], counter=[0, 0, 0, first + j]))
             .standard_normal((channels, height, width), np.float32) for j in range(frames)]
    return np.stack(parts, 1)[None]


def sigmas(steps: int) -> list[float]:
    """`steps` + 1 noise levels from 1 to 0."""
    return [1 - i / steps for i in range(steps)] + [0.0]


class TinyBackend:
    """Renders windows with the tiny model. Implements `bridge.server.Backend`."""

    def __init__(self, graphs: Graphs, spec: ModelSpec) -> None:
        if spec.stride % TEMPORAL or (spec.length - 1) % TEMPORAL:
            raise ValueError(f"a window of {spec.length} with overlap {spec.overlap} is off the 4k+1 grid")
        self.graphs, self.spec = graphs, spec

    def render(self, window: Window, frames: Sequence[Pixels], carry: object) -> Rendered:
        """See `Backend.render`. The same input gives the same output, bit for bit, on one machine."""
        marks = [time.perf_counter()]
        pixels = np.stack(frames)
        video = pixels.astype(np.float32).transpose(0, 3, 1, 2)[None] / 127.5 - 1
        reference = self.graphs.encode(video)
        marks.append(time.perf_counter())
        latents = self._denoise(window, reference, carry.latents if isinstance(carry, Carry) else None)
        marks.append(time.perf_counter())
        photo = np.clip((self.graphs.decode(latents, video)[0].transpose(0, 2, 3, 1) + 1) * 127.5, 0, 255)
        strength = float(np.clip(window.settings.strength, 0, 1))
        if strength < 1:
            photo = strength * photo + (1 - strength) * pixels
        out = np.rint(photo).astype(np.uint8)
        marks.append(time.perf_counter())
        stages = dict(zip(("encode", "denoise", "decode"), np.diff(marks) * 1e3, strict=True))
        return Rendered(list(out), {k: float(v) for k, v in stages.items()}, Carry(latents))

    def pack(self, carry: object) -> dict[str, F32]:
        """See `Backend.pack`."""
        return {"latents": carry.latents} if isinstance(carry, Carry) else {}

    def unpack(self, arrays: dict[str, F32]) -> object:
        """See `Backend.unpack`."""
        return Carry(arrays["latents"]) if "latents" in arrays else None

    def _denoise(self, window: Window, reference: F32, before: F32 | None) -> F32:
        first = window.start // TEMPORAL
        x = noise(window.settings.seed, window.segment, first, reference.shape)
        cache = self.graphs.write(reference)
        clean = x
        levels = sigmas(min(max(window.settings.steps, 1), MAX_STEPS))
        for sigma, following in itertools.pairwise(levels):
            clean = (x - np.float32(sigma) * self.graphs.read(x, 1000 * sigma, cache)).astype(np.float32)
            if before is not None:
                clean = self._fuse(clean, before)
            x = (clean + np.float32(following / sigma) * (x - clean)).astype(np.float32)
        return clean

    def _fuse(self, clean: F32, before: F32) -> F32:
        """Mixes in the previous chunk's latents. Latent 0 holds one frame, not four, so it has no twin."""
        shift = self.spec.stride // TEMPORAL
        shared = clean.shape[2] - shift
        if shared > 1:
            clean = clean.copy()
            clean[:, :, 1:shared] += CARRY_WEIGHT * (before[:, :, 1 + shift:] - clean[:, :, 1:shared])
        return clean
