"""A window's whole denoising loop, recorded once as a CUDA graph and replayed: no launches between its kernels.

A recording always reads and writes the same memory, so each run copies what it starts from into place and its result
out. On a device that records nothing the loop is simply run again on that memory, which holds every rule but the speed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from realmaster.models.sampler import Start

MAX_RECORDINGS = 8
"""Kinds of windows recorded at once; beyond it all are recorded anew. Each holds a window's activations."""


@dataclass(frozen=True)
class Recording:
    """`replay` computes `result` from what lies in `inputs`."""

    inputs: list[Tensor]
    result: Tensor
    replay: Callable[[], object]


class Recorder:
    """Runs loops that depend on nothing but the tensors they start from, and on `levels`."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._recordings: dict[Any, Recording] = {}
        self._refused = False

    @torch.no_grad()
    def run(self, levels: tuple[float, ...], loop: Callable[[Start], Tensor], start: Start) -> Tensor:
        """`loop(start)`. A GPU that cannot record it says so once and runs it as it is from then on."""
        if self._refused:
            return loop(start)
        given = tensors(start)
        kind = levels, start.kept is None, start.condition.first is None, tuple((x.shape, x.dtype) for x in given)
        recording = self._recordings.get(kind)
        if recording is None:
            if len(self._recordings) >= MAX_RECORDINGS:
                self._recordings.clear()
            try:
                recording = self._recordings[kind] = self._record(loop, start)
            except torch.OutOfMemoryError:  # says nothing of whether the model can be recorded
                raise
            except RuntimeError as error:  # whatever of a model's code, or of a kernel's, a CUDA graph cannot hold
                print(f"--compile: this model cannot be recorded as a CUDA graph ({str(error).splitlines()[0]}); it "
                      "runs without", file=sys.stderr)
                self._refused = True
                return loop(start)
        for place, value in zip(recording.inputs, given, strict=True):
            place.copy_(value)
        recording.replay()
        return recording.result.clone()

    def _record(self, loop: Callable[[Start], Tensor], start: Start) -> Recording:
        own = moved(start)
        if self._device != "cuda":
            result = loop(own)
            return Recording(tensors(own), result, lambda: result.copy_(loop(own)))
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # what is compiled, tuned or set up at the first calls must be so by now
            for _ in range(2):
                loop(own)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Another thread may be decoding the window before meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = loop(own)
        return Recording(tensors(own), result, graph.replay)


def tensors(value: object) -> list[Tensor]:
    """All tensors in a tree of dataclasses, in the order of their fields."""
    if isinstance(value, Tensor):
        return [value]
    if is_dataclass(value):
        return [tensor for field in fields(value) for tensor in tensors(getattr(value, field.name))]
    return []


def moved(value: Any) -> Any:
    """The same tree with memory of its own."""
    if isinstance(value, Tensor):
        return value.clone(memory_format=torch.contiguous_format)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: moved(getattr(value, field.name)) for field in fields(value)})
    return value
