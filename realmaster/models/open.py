"""Opens the model that the settings ask for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from bridge.contract import Backend, ModelSpec, Pixels, RenderSettings, Window, words
from realmaster.config import TINY, Model
from realmaster.errors import UserError
from realmaster.guides.pictures import boxed
from realmaster.models.large.folder import is_large, resolve
from realmaster.models.sampler import Anchor, Graphs, WindowBackend
from realmaster.models.tiny.exported import TinyExported


def open_backend(settings: Model) -> Backend:
    """Loads and warms up a model. Raises `UserError` or `EngineError` with what to do."""
    folder = TINY if settings.model == "tiny" else resolve(settings.model)
    return _large(folder, settings) if is_large(folder) else _tiny(folder, settings)


def _tiny(folder: Path, settings: Model) -> Backend:
    remedy = ("check out the repository again" if folder == TINY
              else f"export it with `realmaster export --checkpoint {folder}`")
    if settings.anchor is not None:
        raise UserError("--anchor needs a large model, whose LoRA was trained to go on from a first frame")
    onnx = TinyExported(folder / "onnx", settings.threads, remedy)
    manifest = onnx.manifest
    graphs = onnx if settings.backend == "onnx" else _torch_graphs(folder, settings.threads)
    size = manifest.width, manifest.height
    return WindowBackend(graphs, _spec(graphs, manifest.model, size, manifest.length, settings.overlap))


def _torch_graphs(folder: Path, threads: int) -> Graphs:
    try:
        from realmaster.models.tiny.eager import TorchGraphs
    except ImportError as error:
        raise UserError("--backend torch needs torch: pip install -e '.[train]'") from error
    return TorchGraphs(folder, threads)


def _large(folder: Path, settings: Model) -> Backend:
    try:
        from realmaster.models.large.open import open_graphs
        from realmaster.models.large.stream import Streamed
    except ImportError as error:
        raise UserError("a model in diffusers' layout needs torch: pip install -e '.[train]'") from error
    graphs = open_graphs(folder, settings)
    anchor = None if settings.anchor is None else Anchor(_picture(settings.anchor, settings.resolution),
                                                         graphs.encode_target)
    spec = _spec(graphs, folder.name, settings.resolution, settings.length, settings.overlap)
    coder = Streamed(graphs, settings.overlap) if settings.streaming_vae else None
    backend = WindowBackend(graphs, spec, anchor, coder)
    if settings.compile:
        _warm_up(backend)
    return backend


def _warm_up(backend: WindowBackend) -> None:
    """Renders two black windows, the second going on from the first: what is compiled is so before anyone waits."""
    spec, carry = backend.spec, None
    frames = [np.zeros(((1 + spec.guides) * spec.height, spec.width, 3), np.uint8)] * spec.length
    for start in (0, spec.stride):
        window = Window(sequence=0, segment=0, start=start, valid=spec.length, continues=start > 0, length=spec.length,
                        width=spec.width, height=spec.height, guides=spec.guides,
                        settings=RenderSettings(steps=2))
        carry = backend.render(window, frames, carry).carry


def _picture(path: Path, size: tuple[int, int]) -> Pixels:
    picture = cv2.imread(str(path))
    if picture is None:
        raise UserError(f"--anchor {path}: not a picture that can be read")
    return boxed(np.ascontiguousarray(picture[..., ::-1], np.uint8), size)


def _spec(graphs: Graphs, name: str, size: tuple[int, int], length: int, overlap: int) -> ModelSpec:
    step = graphs.temporal
    if overlap % step != 1 or not 1 <= overlap <= length // 2:
        raise UserError(f"--overlap {overlap}: a multiple of {step} plus 1, at most {length // 2}, for windows of "
                        f"{length}")
    try:
        return ModelSpec(model=words(name)[:128], width=size[0], height=size[1], length=length, overlap=overlap,
                         prompts=graphs.prompts, guides=graphs.guides)
    except ValueError as error:
        raise UserError(f"{error}: choose a smaller --resolution or --length") from error
