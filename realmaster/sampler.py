"""Few-step in-context sampling of windows; the same code for ONNX Runtime and torch, tiny and large models.

Rectified flow: x_sigma = (1 - sigma) x_0 + sigma noise, so x_0 = x - sigma v. Steps are Euler in sigma, from 1
down.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.codec import Pixels
from bridge.protocol import ModelSpec, Window
from bridge.server import Rendered

F32 = NDArray[np.float32]
MAX_STEPS = 50
CARRY_WEIGHT = 0.5
"""Share of the previous chunk's latent where two chunks overlap; its influence halves with every chunk."""


class Graphs(Protocol):
    """A model's functions. Latents are arrays of its own, f32, (1, C, L, h, w), with numpy's arithmetic."""

    temporal: int
    """Frames in a latent frame; the first latent of a window holds one frame (grid k * temporal + 1)."""
    shift: float
    """Of the noise schedule, see `sigmas`."""

    def encode(self, video: F32) -> Any:
        """(1, T, 3, H, W) in [-1, 1] to reference latents."""
        ...

    def shape(self, reference: Any) -> tuple[int, ...]:
        """Shape of the target's latents."""
        ...

    def write(self, reference: Any) -> Any:
        """What `read` needs of the reference; the same for all steps of a window."""
        ...

    def read(self, noisy: Any, timestep: float, cache: Any) -> Any:
        """Velocity of `noisy` latents at `timestep` in [0, 1000]."""
        ...

    def decode(self, latent: Any, video: F32) -> F32:
        """Latents, and the game's window for those who use it, to (1, T, 3, H, W) in about [-1, 1]."""
        ...

    def lift(self, array: F32) -> Any:
        """An array as the model's own."""
        ...

    def lower(self, latent: Any) -> F32:
        """Undoes `lift`."""
        ...


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


def sigmas(steps: int, shift: float = 1.0) -> list[float]:
    """`steps` + 1 noise levels from 1 to 0: evenly spaced, then shifted towards noise.

    sigma' = shift sigma / (1 + (shift - 1) sigma) (Esser et al., "Scaling Rectified Flow Transformers", 2024). Not
    diffusers' own few-step schedule, whose last step is all but wasted.
    """
    even = [1 - i / steps for i in range(steps)] + [0.0]
    return [shift * s / (1 + (shift - 1) * s) for s in even]


class WindowBackend:
    """Renders windows with a model. Implements `bridge.server.Backend`."""

    def __init__(self, graphs: Graphs, spec: ModelSpec) -> None:
        if spec.stride % graphs.temporal or (spec.length - 1) % graphs.temporal:
            raise ValueError(f"a window of {spec.length} with overlap {spec.overlap} is off the "
                             f"{graphs.temporal}k+1 grid")
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
        return Rendered(list(out), {k: float(v) for k, v in stages.items()}, Carry(self.graphs.lower(latents)))

    def pack(self, carry: object) -> dict[str, F32]:
        """See `Backend.pack`."""
        return {"latents": carry.latents} if isinstance(carry, Carry) else {}

    def unpack(self, arrays: dict[str, F32]) -> object:
        """See `Backend.unpack`."""
        return Carry(arrays["latents"]) if "latents" in arrays else None

    def _denoise(self, window: Window, reference: Any, before: F32 | None) -> Any:
        graphs = self.graphs
        first = window.start // graphs.temporal
        x = graphs.lift(noise(window.settings.seed, window.segment, first, graphs.shape(reference)))
        kept = None if before is None else graphs.lift(self._shared(before))
        cache = graphs.write(reference)
        clean = x
        levels = sigmas(min(max(window.settings.steps, 1), MAX_STEPS), graphs.shift)
        for sigma, following in itertools.pairwise(levels):
            clean = x - sigma * graphs.read(x, 1000 * sigma, cache)
            if kept is not None:
                shared = kept.shape[2] + 1
                clean[:, :, 1:shared] += CARRY_WEIGHT * (kept - clean[:, :, 1:shared])
            x = clean + following / sigma * (x - clean)
        return clean

    def _shared(self, before: F32) -> F32:
        """The previous chunk's latents that this one has too. Latent 0 holds one frame, so it has no twin."""
        return before[:, :, 1 + self.spec.stride // self.graphs.temporal:]
