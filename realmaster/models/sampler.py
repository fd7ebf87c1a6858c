"""Few-step in-context sampling of windows; the same code for ONNX Runtime and torch, tiny and large models.

Rectified flow: x_sigma = (1 - sigma) x_0 + sigma noise, so x_0 = x - sigma v. Steps are Euler in sigma, from 1
down.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.contract import ModelSpec, Pixels, Rendered, Window

F32 = NDArray[np.float32]
MAX_STEPS = 50
CARRY_WEIGHT = 0.5
"""Share of the previous chunk's latent where two chunks overlap, if their windows are coded apart; its influence halves
with every chunk."""


@dataclass(frozen=True)
class Condition:
    """What a window is made from: latents of the game's frames and, for models that read them, of its guides; the
    prompt, as `Graphs.prompt` gives it; and the first latent frame where that is known.
    """

    reference: Any
    guides: Any = None
    prompt: Any = None
    first: Any = None


@dataclass(frozen=True)
class Start:
    """What denoising starts from: noise, the condition, and `kept`, the latents of the overlap that the chunk before
    made, where there is one; they have a share of `hold` in this one's.
    """

    noise: Any
    condition: Condition
    kept: Any = None
    hold: float = CARRY_WEIGHT


class Graphs(Protocol):
    """A model's functions. Latents are arrays of its own, f32, (1, C, L, h, w), with numpy's arithmetic."""

    temporal: int
    """Frames in a latent frame; the first latent of a window holds one frame (grid k * temporal + 1)."""
    prompts: bool
    """Whether the model reads the prompt of a condition."""
    guides: bool
    """Whether the model reads the guides of a condition."""
    pipelined: bool
    """Whether `decode` may run in another thread than the rest, beside it."""

    def levels(self, steps: int) -> list[float]:
        """Noise levels from 1 to 0 for so many steps, see `sigmas`."""
        ...

    def prompt(self, text: str) -> Any:
        """Text as the model reads it; None if it reads none."""
        ...

    def run(self, levels: tuple[float, ...], start: Start) -> Any:
        """`denoise(self, levels, start)`, which a model may do in a way of its own."""
        ...

    def encode(self, video: F32) -> Any:
        """(1, T, 3, H, W) in [-1, 1] to reference latents."""
        ...

    def shape(self, reference: Any) -> tuple[int, ...]:
        """Shape of the target's latents."""
        ...

    def write(self, condition: Condition) -> Any:
        """What `read` needs of the condition; the same for all steps of a window."""
        ...

    def read(self, noisy: Any, timestep: float, cache: Any) -> Any:
        """Velocity of `noisy` latents at `timestep` in [0, 1000]. What it says of a known first frame is not used."""
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


class Coder(Protocol):
    """Brings windows to latents and back. What it hands from a window to the next is its own affair."""

    hold: float
    """Share of the previous chunk's latent where two chunks overlap."""

    def encode(self, videos: Sequence[F32], before: object) -> tuple[Sequence[Any], object]:
        """Reference latents of the window's videos, and what it hands on. `before`: what the last window did, or None.
        """
        ...

    def decode(self, latents: Any, video: F32, before: object, own: object) -> F32:
        """As `Graphs.decode`. `own` is what `encode` said to hand on, to which this may add."""
        ...

    def pack(self, past: object) -> dict[str, F32]:
        """What is handed on as arrays that can be stored, once the window is decoded."""
        ...

    def unpack(self, arrays: dict[str, F32]) -> object:
        """Undoes `pack`, of which `arrays` may hold nothing."""
        ...


class Apart:
    """Codes each window by itself. Implements `Coder`."""

    hold = CARRY_WEIGHT

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs

    def encode(self, videos: Sequence[F32], before: object) -> tuple[list[Any], None]:
        """See `Coder.encode`."""
        del before
        return [self._graphs.encode(video) for video in videos], None

    def decode(self, latents: Any, video: F32, before: object, own: object) -> F32:
        """See `Coder.decode`."""
        del before, own
        return self._graphs.decode(latents, video)

    def pack(self, past: object) -> dict[str, F32]:
        """See `Coder.pack`."""
        del past
        return {}

    def unpack(self, arrays: dict[str, F32]) -> None:
        """See `Coder.unpack`."""


@dataclass(frozen=True)
class Carry:
    """What a window hands to the one that continues it: its latents (1, C, L, h, w), that one's first picture, and
    the `past` of its coder.
    """

    latents: F32
    picture: Pixels | None = None
    past: object = None


@dataclass(frozen=True)
class Anchor:
    """Makes a video go on from a photoreal `picture` (H, W, 3) u8 of its first frame, and windows from each other.

    `encode` takes a video (1, 1, 3, H, W) in [-1, 1] to latents of the target.
    """

    picture: Pixels
    encode: Callable[[F32], Any]


def noise(seed: int, segment: int, first: int, shape: tuple[int, ...]) -> F32:
    """Gaussian noise (1, C, L, h, w), the same for a latent frame in whichever window it falls.

    `first` is the place in its segment of the window's first latent frame.
    """
    _, channels, frames, height, width = shape
    parts = [np.random.Generator(np.random.Philox(key=[seed, segment], counter=[0, 0, 0, first + j]))
             .standard_normal((channels, height, width), np.float32) for j in range(frames)]
    return np.stack(parts, 1)[None]


def sigmas(steps: int, shift: float = 1.0, terminal: float = 0.0) -> list[float]:
    """`steps` + 1 noise levels from 1 to 0: evenly spaced, then shifted towards noise.

    sigma' = shift sigma / (1 + (shift - 1) sigma) (Esser et al., "Scaling Rectified Flow Transformers", 2024). Not
    diffusers' own few-step schedule, whose last step is all but wasted. Where a model was trained with a `terminal`
    above 0, the last level before 0 is stretched to it (LTX-Video's `rf.py`).
    """
    even = [1 - i / steps for i in range(steps)]
    levels = [shift * s / (1 + (shift - 1) * s) for s in even]
    if terminal and steps > 1:
        levels = [1 - (1 - s) * (1 - terminal) / (1 - levels[-1]) for s in levels]
    return [*levels, 0.0]


def denoise(graphs: Graphs, levels: tuple[float, ...], start: Start) -> Any:
    """Clean latents (1, C, L, h, w), from noise through the levels. Looks at no value of what it computes with."""
    x, kept, first = start.noise, start.kept, start.condition.first
    cache = graphs.write(start.condition)
    clean = x
    for sigma, following in itertools.pairwise(levels):
        clean = x - sigma * graphs.read(x, 1000 * sigma, cache)
        if kept is not None:
            shared = kept.shape[2] + 1
            clean[:, :, 1:shared] += start.hold * (kept - clean[:, :, 1:shared])
        if first is not None:
            clean[:, :, :1] = first
        x = clean + following / sigma * (x - clean)
    return clean


def _signed(pixels: NDArray[np.uint8]) -> F32:
    """Pictures (T, H, W, 3) u8 as a video (1, T, 3, H, W) in [-1, 1]."""
    return pixels.astype(np.float32).transpose(0, 3, 1, 2)[None] / 127.5 - 1


class WindowBackend:
    """Renders windows with a model. Implements `bridge.contract.Backend`."""

    def __init__(self, graphs: Graphs, spec: ModelSpec, anchor: Anchor | None = None,
                 coder: Coder | None = None) -> None:
        """Windows are coded apart, if no `coder` is given."""
        if spec.stride % graphs.temporal or (spec.length - 1) % graphs.temporal:
            raise ValueError(f"a window of {spec.length} with overlap {spec.overlap} is off the "
                             f"{graphs.temporal}k+1 grid")
        self.graphs, self.spec, self.anchor, self.pipelined = graphs, spec, anchor, graphs.pipelined
        self.coder = Apart(graphs) if coder is None else coder

    def render(self, window: Window, frames: Sequence[Pixels], carry: object) -> Rendered:
        """See `Backend.render`. The same input gives the same output, bit for bit, on one machine."""
        marks = [time.perf_counter()]
        pixels = np.stack(frames)
        pixels, guides = pixels[:, :self.spec.height], pixels[:, self.spec.height:]
        video = _signed(pixels)
        before = carry if isinstance(carry, Carry) else None
        past = None if before is None else before.past
        references, own = self.coder.encode([video, _signed(guides)] if self.spec.guides else [video], past)
        # Guides that were found wrong are coded all the same, for the windows after this one, but not read.
        condition = Condition(references[0], references[1] if self.spec.guides and window.trusted else None,
                              self.graphs.prompt(window.settings.prompt), self._first(window, before))
        marks.append(time.perf_counter())
        latents = self._denoise(window, condition, None if before is None else before.latents)
        kept = self.graphs.lower(latents)  # also waits until a GPU is done with them
        marks.append(time.perf_counter())
        encoding, denoising = (float(ms) for ms in np.diff(marks) * 1e3)
        early = None if self.anchor is None else self._photo(self.coder.decode(latents, video, past, own))
        spent = time.perf_counter() - marks[-1]

        def decode() -> tuple[list[Pixels], dict[str, float]]:
            began = time.perf_counter() - spent
            photo = self._photo(self.coder.decode(latents, video, past, own)) if early is None else early
            strength = float(np.clip(window.settings.strength, 0, 1))
            if strength < 1:
                photo = strength * photo + (1 - strength) * pixels
            out = list(np.rint(photo).astype(np.uint8))
            return out, {"encode": encoding, "denoise": denoising, "decode": (time.perf_counter() - began) * 1e3}

        picture = None if early is None else np.rint(early[self.spec.stride]).astype(np.uint8)
        return Rendered(Carry(kept, picture, own), decode)

    @staticmethod
    def _photo(decoded: F32) -> F32:
        """The photoreal pictures (T, H, W, 3), 0 to 255."""
        return np.clip((decoded[0].transpose(0, 2, 3, 1) + 1) * 127.5, 0, 255)

    def pack(self, carry: object) -> dict[str, F32]:
        """See `Backend.pack`."""
        if not isinstance(carry, Carry):
            return {}
        picture = {} if carry.picture is None else {"picture": carry.picture.astype(np.float32)}
        return {"latents": carry.latents, **picture, **self.coder.pack(carry.past)}

    def unpack(self, arrays: dict[str, F32]) -> object:
        """See `Backend.unpack`."""
        if "latents" not in arrays:
            return None
        picture = arrays.get("picture")
        return Carry(arrays["latents"], None if picture is None else picture.astype(np.uint8),
                     self.coder.unpack(arrays))

    def _first(self, window: Window, before: Carry | None) -> Any:
        """The first latent frame, where it is known."""
        if self.anchor is None:
            return None
        opening = window.segment == window.start == 0
        picture = self.anchor.picture if opening else None if before is None else before.picture
        return None if picture is None else self.anchor.encode(_signed(picture[None]))

    def _denoise(self, window: Window, condition: Condition, before: F32 | None) -> Any:
        graphs = self.graphs
        place, shape = window.start // graphs.temporal, graphs.shape(condition.reference)
        start = Start(graphs.lift(noise(window.settings.seed, window.segment, place, shape)), condition,
                      None if before is None else graphs.lift(self._shared(before)), self.coder.hold)
        return graphs.run(tuple(graphs.levels(min(max(window.settings.steps, 1), MAX_STEPS))), start)

    def _shared(self, before: F32) -> F32:
        """The previous chunk's latents that this one has too. Latent 0 holds one frame, so it has no twin."""
        return before[:, :, 1 + self.spec.stride // self.graphs.temporal:]
