"""Opens the model that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from bridge.protocol import ModelSpec
from bridge.server import Backend
from realmaster.config import TINY, Model
from realmaster.errors import UserError
from realmaster.sampler import TEMPORAL, Graphs, TinyBackend
from trt_engines.ort import OrtGraphs


def open_backend(settings: Model) -> Backend:
    """Loads and warms up a model. Raises `UserError` or `EngineError` with what to do."""
    checkpoint = TINY if settings.model == "tiny" else Path(settings.model)
    if not checkpoint.is_dir():
        raise UserError(f"unknown model {settings.model!r}: use tiny, or a folder with a model in its layout")
    remedy = ("check out the repository again" if checkpoint == TINY
              else f"export it with `realmaster export --checkpoint {checkpoint}`")
    graphs = OrtGraphs(checkpoint / "onnx", settings.threads, remedy)
    manifest = graphs.manifest
    if settings.overlap % TEMPORAL != 1 or not 1 <= settings.overlap <= manifest.length // 2:
        raise UserError(f"--overlap {settings.overlap}: a multiple of {TEMPORAL} plus 1, "
                        f"at most {manifest.length // 2}, for windows of {manifest.length}")
    spec = ModelSpec(model=manifest.model, width=manifest.width, height=manifest.height, length=manifest.length,
                     overlap=settings.overlap)
    return TinyBackend(graphs if settings.backend == "onnx" else _torch_graphs(checkpoint, settings.threads), spec)


def _torch_graphs(checkpoint: Path, threads: int) -> Graphs:
    try:
        from realmaster.models.tiny_torch import TorchGraphs
    except ImportError as error:
        raise UserError("--backend torch needs torch: pip install -e '.[train]'") from error
    return TorchGraphs(checkpoint, threads)
