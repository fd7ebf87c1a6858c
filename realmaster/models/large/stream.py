"""Windows as parts of one long video: what the autoencoder remembers of a window goes on into the next.

A frame is then encoded and decoded once, not once for every window that it is in. The latents that two windows share
stay those of the first, and so do the pictures: nothing is blended, and nothing could be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realmaster.errors import UserError
from realmaster.models.large.graphs import BackboneGraphs
from realmaster.models.large.video import DecodesOn, EncodesOn, Features

F32 = NDArray[np.float32]


@dataclass
class Past:
    """What a window hands to the one that continues it.

    Latents of its `references`, the encoder's features after each; once it is decoded, the decoder's features and the
    `pictures` (1, overlap, 3, H, W) that both windows have.
    """

    references: list[Tensor]
    encoder: list[Features]
    decoder: Features | None = None
    pictures: F32 | None = None


class Streamed:
    """Implements `realmaster.models.sampler.Coder`. Raises `UserError` if the model's autoencoder cannot do it."""

    hold = 1.0

    def __init__(self, graphs: BackboneGraphs, overlap: int) -> None:
        if not isinstance(graphs.backbone.video, DecodesOn):
            name = graphs.backbone.folder.name
            raise UserError(f"--streaming-vae: {name}'s decoder looks at frames to come, so it cannot go on from "
                            "window to window: leave it out, or use a --tiny-vae, which can")
        self._graphs, self._overlap = graphs, overlap
        self._shared = (overlap - 1) // graphs.temporal  # latents; the first frame of a window has one of its own

    def encode(self, videos: Sequence[F32], before: object) -> tuple[list[Tensor], Past]:
        """See `Coder.encode`."""
        past = before if isinstance(before, Past) else None
        done = [self._encode(video, None if past is None else (past.references[i], past.encoder[i]))
                for i, video in enumerate(videos)]
        references = [latents for latents, _ in done]
        return references, Past(references, [features for _, features in done])

    def _encode(self, video: F32, before: tuple[Tensor, Features] | None) -> tuple[Tensor, Features]:
        """TAEHV's encoder fills a window's last latent up with repeated frames: it starts anew, which costs little."""
        graphs, coder = self._graphs, self._graphs.backbone.video
        if not isinstance(coder, EncodesOn):
            return graphs.encode(video), []
        if before is None:
            return coder.encode_on(graphs.frames(video), None)
        reference, features = before
        new, features = coder.encode_on(graphs.frames(video[:, self._overlap:]), features)
        shared = reference[:, :, reference.shape[2] - self._shared:]
        return torch.cat([graphs.encode(video[:, :1]), shared, new], 2), features

    def decode(self, latents: Tensor, video: F32, before: object, own: object) -> F32:
        """See `Coder.decode`. If the window before was never decoded, it starts anew."""
        del video
        own = cast(Past, own)
        decoder, shared = (before.decoder, before.pictures) if isinstance(before, Past) else (None, None)
        if decoder is None or shared is None:
            pictures, own.decoder = self._graphs.decode_on(latents, None)
        else:
            new, own.decoder = self._graphs.decode_on(latents[:, :, 1 + self._shared:], decoder)
            pictures = np.concatenate([shared, new], 1)
        own.pictures = pictures[:, -self._overlap:]
        return pictures

    def pack(self, past: object) -> dict[str, F32]:
        """See `Coder.pack`."""
        if not isinstance(past, Past):
            return {}
        lists: dict[str, list[Any]] = {"reference": past.references, "decoder": past.decoder or []}
        lists |= {f"encoder{i}": features for i, features in enumerate(past.encoder)}
        arrays = {f"{name}_{i}": self._graphs.lower(value) for name, values in lists.items()
                  for i, value in enumerate(values) if value is not None}
        return arrays if past.pictures is None else {**arrays, "pictures": past.pictures}

    def unpack(self, arrays: dict[str, F32]) -> Past | None:
        """See `Coder.unpack`."""
        references = self._unpacked(arrays, "reference", torch.float32)
        if not references:
            return None
        dtype = next(self._graphs.backbone.video.vae.parameters()).dtype
        encoder = [self._unpacked(arrays, f"encoder{i}", dtype) for i in range(len(references))]
        return Past(references, encoder, self._unpacked(arrays, "decoder", dtype) or None, arrays.get("pictures"))

    def _unpacked(self, arrays: dict[str, F32], name: str, dtype: torch.dtype) -> Features:
        """The list whose entries were packed by that name; None where a layer had nothing."""
        prefix, lift = f"{name}_", self._graphs.lift
        found = {int(key.removeprefix(prefix)): value for key, value in arrays.items() if key.startswith(prefix)}
        return [lift(found[i]).to(dtype) if i in found else None for i in range(max(found, default=-1) + 1)]
