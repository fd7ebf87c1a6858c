"""Renders a video group by group of four frames with the streaming model: nothing is coded, made or decoded twice.

What goes on from one group to the next is a `Past`. It can be packed into arrays and back: what is rendered from it is
the same, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bridge.contract import MAX_STEPS, ModelSpec, Pixels, Rendered, Window
from realmaster.models.sampler import noise as noise_of
from realmaster.models.sampler import sigmas
from realmaster.models.tiny.causal import (
    HISTORY,
    REFERENCES,
    Causal,
    Kind,
    Slot,
    from_noise,
    load_transformer,
)
from realmaster.models.tiny.codec import CHANNELS, GROUP, SPATIAL, Codec, whole_tokens

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Remembered:
    """A latent frame (1, 32, h, w), and its keys and values as `Causal.write` gives them."""

    latent: Tensor
    keys: Tensor


@dataclass(frozen=True)
class Past:
    """What is known of the groups so far: features of the encoder, of the decoder and, if there were guides, of the
    encoder over them; latents of the game and of the model, the newest first.
    """

    encoder: Tensor
    decoder: Tensor
    guides: Tensor | None
    references: tuple[Remembered, ...]
    history: tuple[Remembered, ...]


class Chunks:
    """The streaming model in eager torch."""

    def __init__(self, codec: Codec, causal: Causal) -> None:
        self.codec, self.causal = codec, causal

    @classmethod
    def load(cls, folder: Path) -> Chunks:
        """Reads codec/ and transformer/ in a folder. Raises `UserError` if it cannot."""
        return cls(Codec.load(folder / "codec"), Causal(load_transformer(folder / "transformer").eval()))

    @staticmethod
    def shape(height: int, width: int) -> tuple[int, int, int, int]:
        """Shape of a group's latents, and of the noise that it starts from, for frames of that size in pixels."""
        return 1, CHANNELS, height // SPATIAL, width // SPATIAL

    @torch.no_grad()
    def render(self, video: F32, guides: F32 | None, past: Past | None, noises: Sequence[F32],
               steps: int = 1) -> tuple[F32, Past]:
        """Renders groups that follow those that made `past`; None starts a video.

        Args:
            video: the game's frames, (1, 4n, 3, H, W) in [-1, 1]; H and W are multiples of 16.
            guides: their normals and depth, as `pack_guides` has them, (1, 4n, 3, H/2, W/2) in [-1, 1]; None if there
                are none or they are not to be trusted.
            noises: Gaussian noise, n arrays of `shape`.

        Returns:
            The pictures, shaped as the video, in about [-1, 1], and what the next groups need.
        """
        pictures: list[Tensor] = []
        for i, noise in enumerate(noises):
            part = slice(GROUP * i, GROUP * (i + 1))
            shown, past = self._group(_lift(video[:, part]), None if guides is None else _lift(guides[:, part]), past,
                                      _lift(noise), sigmas(steps))
            pictures.append(shown)
        if past is None:
            raise ValueError("there is nothing to render")
        return torch.cat(pictures, 1).numpy(), past

    def _group(self, video: Tensor, guides: Tensor | None, past: Past | None, noise: Tensor,
               levels: list[float]) -> tuple[Tensor, Past]:
        seen = self.codec.see(video, None if past is None else past.encoder)
        references = (self._remember(seen.latent[:, 0], "reference"), *(() if past is None else past.references))
        history = () if past is None else past.history
        slots = [*_slots(references, range(REFERENCES), references[0]),
                 *_slots(history, range(1, HISTORY + 1), references[0])]
        guided = None
        if guides is not None:
            looked = self.codec.see(whole_tokens(guides), None if past is None else past.guides)
            slots.append(Slot(self.causal.write(looked.latent[:, 0], "guides"), 0, torch.ones(1, dtype=torch.bool)))
            guided = looked.past
        clean = from_noise(self.causal, noise, levels, seen.latent[:, 0], slots)
        pictures, decoder = self.codec.show(clean[:, None], seen, video, None if past is None else past.decoder)
        history = (self._remember(clean, "history"), *history)
        return pictures, Past(seen.past, decoder, guided, references[:REFERENCES - 1], history[:HISTORY])

    def _remember(self, latent: Tensor, kind: Kind) -> Remembered:
        return Remembered(latent, self.causal.write(latent, kind))

    @staticmethod
    def pack(past: Past) -> dict[str, F32]:
        """The past as arrays that can be stored. Keys and values are left out: they follow from the latents."""
        tensors = {"encoder": past.encoder, "decoder": past.decoder}
        if past.guides is not None:
            tensors["guides"] = past.guides
        for name, frames in (("reference", past.references), ("history", past.history)):
            tensors |= {f"{name}{i}": frame.latent for i, frame in enumerate(frames)}
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    @torch.no_grad()
    def unpack(self, arrays: dict[str, F32]) -> Past:
        """Undoes `pack`."""
        def frames(kind: Kind) -> tuple[Remembered, ...]:
            count = sum(name.startswith(kind) for name in arrays)
            return tuple(self._remember(_lift(arrays[f"{kind}{i}"]), kind) for i in range(count))

        return Past(_lift(arrays["encoder"]), _lift(arrays["decoder"]),
                    _lift(arrays["guides"]) if "guides" in arrays else None, frames("reference"), frames("history"))


def _slots(frames: Sequence[Remembered], agos: range, like: Remembered) -> list[Slot]:
    """A slot for each moment, empty where there is no frame: a graph has the same inputs from the first group on."""
    return [Slot(frames[i].keys if i < len(frames) else torch.zeros_like(like.keys), ago,
                 torch.full((1,), i < len(frames))) for i, ago in enumerate(agos)]


def _lift(array: F32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


class ChunkBackend:
    """Renders windows of whole groups that do not overlap. Implements `bridge.contract.Backend`.

    With `guides`, windows come with them, and the model reads those that are trusted; the weights are the same.
    """

    pipelined = False

    def __init__(self, chunks: Chunks, size: tuple[int, int], length: int = GROUP, *, guides: bool = False) -> None:
        """`size` is width and height of the frames. Raises `ValueError` if it or the window's length do not fit."""
        width, height = size
        if length % GROUP or width % (2 * SPATIAL) or height % (2 * SPATIAL):
            raise ValueError(f"{length} frames of {width}x{height} are not whole groups of {GROUP} and tokens of "
                             f"{2 * SPATIAL} pixels")
        self.chunks = chunks
        self.spec = ModelSpec(model="tiny", width=width, height=height, length=length, overlap=0, guides=guides)

    def render(self, window: Window, frames: Sequence[Pixels], carry: object) -> Rendered:
        """See `Backend.render`. The same input gives the same output, bit for bit, on one machine."""
        began, spec, settings = time.perf_counter(), self.spec, window.settings
        game = np.stack([frame[:spec.height] for frame in frames])
        guides = None
        if spec.guides and window.trusted:
            guides = np.stack([np.asarray(cv2.resize(frame[spec.height:], None, fx=0.5, fy=0.5,
                                                     interpolation=cv2.INTER_AREA), np.uint8)
                               for frame in frames])
        channel, *size = self.chunks.shape(spec.height, spec.width)[1:]
        noises = [noise_of(settings.seed, window.segment, window.start // GROUP + i, (1, channel, 1, *size))[:, :, 0]
                  for i in range(spec.length // GROUP)]
        past = carry if isinstance(carry, Past) else None
        photos, past = self.chunks.render(_signed(game), None if guides is None else _signed(guides), past, noises,
                                          min(max(settings.steps, 1), MAX_STEPS))
        photo = np.clip((photos[0].transpose(0, 2, 3, 1) + 1) * 127.5, 0, 255)
        strength = float(np.clip(settings.strength, 0, 1))
        if strength < 1:
            photo = strength * photo + (1 - strength) * game
        out = list(np.rint(photo).astype(np.uint8))
        spent = (time.perf_counter() - began) * 1e3
        return Rendered(past, lambda: (out, {"render": spent}))

    def pack(self, carry: object) -> dict[str, F32]:
        """See `Backend.pack`."""
        return self.chunks.pack(carry) if isinstance(carry, Past) else {}

    def unpack(self, arrays: dict[str, F32]) -> object:
        """See `Backend.unpack`."""
        return self.chunks.unpack(arrays) if "encoder" in arrays else None


def _signed(pixels: NDArray[np.uint8]) -> F32:
    """Pictures (T, H, W, 3) u8 as a video (1, T, 3, H, W) in [-1, 1]."""
    return pixels.astype(np.float32).transpose(0, 3, 1, 2)[None] / 127.5 - 1
