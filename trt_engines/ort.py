"""Runs exported graphs on ONNX Runtime: the default on machines without a GPU. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from trt_engines.manifest import EngineError, Manifest, read_graph, read_manifest

F32 = NDArray[np.float32]
NOWHERE = f"{os.devnull}/none"
"""A folder that cannot be: a graph holds all of its weights, or the manifest's hash would not cover them."""


def _open(name: str, graph: bytes, options: onnxruntime.SessionOptions, remedy: str) -> Any:
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare subclasses of Exception, one per failure
        raise EngineError(f"{name}.onnx does not load ({type(error).__name__}): {remedy}") from error


class OrtEngine:
    """The graphs of a folder, each by its name. `remedy` says how to get good files; errors end with it.

    Threads do not spin: beside a game on two cores, spinning costs a third of the frame rate.
    Raises `EngineError` if a graph is not what the folder's manifest says.
    """

    def __init__(self, folder: Path, names: Iterable[str], threads: int, remedy: str) -> None:
        self.manifest: Manifest = read_manifest(folder, remedy)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
        options.log_severity_level = 3
        self._sessions = {name: _open(name, read_graph(folder, f"{name}.onnx", self.manifest, remedy), options, remedy)
                          for name in names}

    def run(self, name: str, **inputs: F32) -> F32:
        """The output of graph `name` for arrays by the names of its inputs."""
        return self._sessions[name].run(None, inputs)[0]
