"""Self-attention that knows which tokens are the target's and which a reference's.

One `Context` belongs to a transformer and says what its layers do; each layer has a processor that replaces the
stock one. Queries, keys and values are computed as the stock processor of diffusers 0.42 computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor

KeyValue = tuple[Tensor, Tensor]
"""Keys and values of one layer, each (B, S, heads, head size)."""
Rotary = tuple[Tensor, Tensor]
"""Cosines and sines of the rotary embedding."""


@dataclass
class Context:
    """What the self-attention of all layers does in the next forward pass.

    `segments` None: all tokens attend to all. Else they are the numbers of tokens of the target and of each
    reference, in this order: the target attends to all, a reference to itself alone (attention mode `one_way`).
    `bias` (B, 1, 1, S) is added to the target's attention to each of S keys, its own and then the reference's: minus
    infinity where there is nothing. With `reach`, a frame of the target sees only those frames of a reference that are
    at most so many away from it; then `frames` is how many each of them has.
    """

    segments: tuple[int, ...] | None = None
    reach: int | None = None
    frames: int = 1
    writing: bool = False
    bias: Tensor | None = None
    layers: list[Layer] = field(default_factory=list)


class Layer:
    """The state of one layer: what it wrote, and the reference's keys and values that it shall also read."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.reference: KeyValue | None = None
        self.written: KeyValue | None = None
        context.layers.append(self)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention over (B, S, heads, head size), as the context says."""
        if self.context.writing:
            self.written = key, value
        segments = self.context.segments
        if segments is not None:
            (query, *queries), (key, *keys), (value, *values) = (x.split(segments, 1) for x in (query, key, value))
            own = [dispatch_attention_fn(q, k, v) for q, k, v in zip(queries, keys, values, strict=True)]
            references = join_frames(list(zip(keys, values, strict=True)), self.context.frames)
            return torch.cat([self._target(query, (key, value), references), *own], 1)
        return self._target(query, (key, value), self.reference)

    def _target(self, query: Tensor, own: KeyValue, reference: KeyValue | None) -> Tensor:
        """The target's tokens attend to their own and to the reference's."""
        key, value = own
        if reference is None:
            return dispatch_attention_fn(query, key, value)
        frames, reach = self.context.frames, self.context.reach
        if reach is None:
            return dispatch_attention_fn(query, *join_frames([own, reference], 1), self.context.bias)
        out: list[Tensor] = []
        for at, row in enumerate(query.chunk(frames, 1)):
            near = slice(max(0, at - reach), at + reach + 1)
            seen = [x.unflatten(1, (frames, -1))[:, near].flatten(1, 2) for x in reference]
            out.append(dispatch_attention_fn(row, torch.cat([key, seen[0]], 1), torch.cat([value, seen[1]], 1)))
        return torch.cat(out, 1)


def join_frames(parts: Sequence[KeyValue], frames: int) -> KeyValue:
    """Keys and values of several references as those of one, frame by frame; each has `frames` of them."""
    keys, values = (torch.cat([x.unflatten(1, (frames, -1)) for x in side], 2).flatten(1, 2)
                    for side in zip(*parts, strict=True))
    return keys, values
