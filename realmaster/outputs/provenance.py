"""Describes what a result was made from: a signature to continue a render, and a short text for the file itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

from msgspec.structs import replace

from realmaster import __version__
from realmaster.config import TINY, CaptureGame, Render, Watching
from realmaster.errors import UserError
from realmaster.models.large.folder import resolve
from realmaster.settings import as_toml

WEIGHTS = {".safetensors", ".onnx", ".data", ".json", ".txt", ".model"}
HERE = {"auto", "none"}
"""Values of the setting `server` that are no address."""


def signature(settings: Render) -> str:
    """The settings, the input and the SHA-256 of each file of the model, as text.

    Two renders with the same signature give the same result. Raises `UserError` if a file cannot be read.
    """
    same = replace(settings, overwrite=False)
    try:
        return "\n".join([f"RealMaster {__version__}", as_toml(same), *_input(settings.input), *_weights(settings)])
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error


def _input(path: Path) -> list[str]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [f"{file.name} {facts.st_size} {facts.st_mtime_ns}" for file in files
            if file.suffix in (".mkv", ".jsonl") or file == path for facts in [file.stat()]]


def _weights(settings: Render) -> list[str]:
    if settings.server:
        return []  # a killed render on a server cannot be continued
    model = settings.model
    folder = TINY if model.model == "tiny" else resolve(model.model)
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.suffix in WEIGHTS)
    files += [path for text in model.lora if (path := lora_file(text)).is_file()]
    files += [path for path in (model.anchor, model.tiny_vae) if path is not None]
    return [f"{file.name} {_sha256(file)}" for file in files]


def lora_file(text: str) -> Path:
    """The path FILE in `text`, which is `FILE` or `FILE:WEIGHT`."""
    return Path(text) if Path(text).is_file() else Path(text.rpartition(":")[0])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def brief(settings: Render | Watching) -> str:
    """The settings as TOML for the files we write. Folders, addresses, keys and arguments of a game are left out."""
    model = settings.model
    small = replace(model, model=Path(model.model).name, lora=tuple(Path(text).name for text in model.lora),
                    anchor=_name(model.anchor), tiny_vae=_name(model.tiny_vae))
    known = {name: getattr(settings, name) for name in settings.__struct_fields__}
    changes: dict[str, object] = {name: _name(value) for name, value in known.items() if isinstance(value, Path)}
    changes |= {"server": settings.server if settings.server in HERE else "", "key": None, "server_key": None}
    if isinstance(settings, CaptureGame):
        changes["command"] = tuple(Path(word).name for word in settings.command[:1])
    return as_toml(replace(settings, model=small, **changes))


def _name(path: Path | None) -> Path | None:
    return None if path is None else Path(path.absolute().name)
