"""Runs exported graphs on ONNX Runtime: the default on machines without a GPU. Needs no torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from realmaster.models.sampler import Condition, Start, denoise, sigmas
from trt_engines.manifest import EngineError, Manifest, read_graph, read_manifest

F32 = NDArray[np.float32]


NOWHERE = f"{os.devnull}/none"
"""A folder that cannot be: a graph holds all of its weights, or the manifest's hash would not cover them."""


def _open(name: str, graph: bytes, options: onnxruntime.SessionOptions, remedy: str) -> Any:
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare subclasses of Exception, one per failure
        raise EngineError(f"{name}.onnx does not load ({type(error).__name__}): {remedy}") from error


class OrtGraphs:
    """The four graphs of the tiny model: encode, write, read, decode. All arrays are f32 unless said.

    Threads do not spin: beside a game on two cores, spinning costs a third of the frame rate.
    """

    temporal, prompts, guides, pipelined = 4, False, False, False

    def __init__(self, folder: Path, threads: int, remedy: str) -> None:
        self.manifest: Manifest = read_manifest(folder, remedy)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
        options.log_severity_level = 3
        self._sessions = {name: _open(name, read_graph(folder, f"{name}.onnx", self.manifest, remedy), options, remedy)
                          for name in ("encode", "write", "read", "decode")}

    def _run(self, name: str, **inputs: Any) -> F32:
        return self._sessions[name].run(None, inputs)[0]

    def levels(self, steps: int) -> list[float]:
        """Evenly spaced: the model was trained through them."""
        return sigmas(steps)

    def prompt(self, text: str) -> None:
        """See `Graphs.prompt`."""

    def run(self, levels: tuple[float, ...], start: Start) -> F32:
        """See `Graphs.run`."""
        return denoise(self, levels, start)

    def encode(self, video: F32) -> F32:
        """(1, T, 3, H, W) in [-1, 1] to latents (1, C, L, h, w)."""
        return self._run("encode", video=video)

    def shape(self, reference: F32) -> tuple[int, ...]:
        """The target's latents have the reference's shape."""
        return reference.shape

    def write(self, condition: Condition) -> F32:
        """Reference latents to keys and values (layers, 2, 1, S, heads, size)."""
        return self._run("write", reference=condition.reference)

    def read(self, noisy: F32, timestep: float, cache: F32) -> F32:
        """Velocity of `noisy` (1, C, L, h, w) at `timestep` in [0, 1000]."""
        return self._run("read", noisy=noisy, timestep=np.array([timestep], np.float32), cache=cache)

    def decode(self, latent: F32, video: F32) -> F32:
        """Latents, and the game's window (1, T, 3, H, W) for detail, to the photoreal window."""
        return self._run("decode", latent=latent, video=video)

    def lift(self, array: F32) -> F32:
        """Latents are numpy arrays as they are."""
        return array

    def lower(self, latent: F32) -> F32:
        """See `lift`."""
        return latent
