"""Opens the model that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from bridge.protocol import ModelSpec
from bridge.server import Backend
from realmaster.backbones.folder import is_large, resolve
from realmaster.config import TINY, Model
from realmaster.errors import UserError
from realmaster.sampler import Graphs, WindowBackend
from trt_engines.ort import OrtGraphs


def open_backend(settings: Model) -> Backend:
    """Loads and warms up a model. Raises `UserError` or `EngineError` with what to do."""
    folder = TINY if settings.model == "tiny" else resolve(settings.model)
    return _large(folder, settings) if is_large(folder) else _tiny(folder, settings)


def _tiny(folder: Path, settings: Model) -> Backend:
    remedy = ("check out the repository again" if folder == TINY
              else f"export it with `realmaster export --checkpoint {folder}`")
    onnx = OrtGraphs(folder / "onnx", settings.threads, remedy)
    manifest = onnx.manifest
    graphs = onnx if settings.backend == "onnx" else _torch_graphs(folder, settings.threads)
    return _backend(graphs, manifest.model, (manifest.width, manifest.height), manifest.length, settings.overlap)


def _torch_graphs(folder: Path, threads: int) -> Graphs:
    try:
        from realmaster.models.tiny_torch import TorchGraphs
    except ImportError as error:
        raise UserError("--backend torch needs torch: pip install -e '.[train]'") from error
    return TorchGraphs(folder, threads)


def _large(folder: Path, settings: Model) -> Backend:
    try:
        from realmaster.backbones.open import open_graphs
    except ImportError as error:
        raise UserError("a model in diffusers' layout needs torch: pip install -e '.[train]'") from error
    graphs = open_graphs(folder, settings)
    return _backend(graphs, folder.name, settings.resolution, settings.length, settings.overlap)


def _backend(graphs: Graphs, name: str, size: tuple[int, int], length: int, overlap: int) -> Backend:
    step = graphs.temporal
    if overlap % step != 1 or not 1 <= overlap <= length // 2:
        raise UserError(f"--overlap {overlap}: a multiple of {step} plus 1, at most {length // 2}, for windows of "
                        f"{length}")
    return WindowBackend(graphs, ModelSpec(model=name, width=size[0], height=size[1], length=length, overlap=overlap))
