"""Prompts as embeddings: computed once by the model's own text encoder, kept on disk, the encoder let go."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from realmaster.errors import UserError
from realmaster.models.families.registry import Family
from realmaster.models.large.folder import check_part
from realmaster.models.large.tokens import Prompt
from realmaster.models.tensor_files import save_tensors


def cache_folder() -> Path:
    """Where embeddings are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "realmaster" / "prompts"


def prompts_for(folder: Path, family: Family, texts: Sequence[str], dtype: torch.dtype) -> list[Prompt]:
    """The embeddings of `texts` by the text encoder in `folder`, which is loaded only if some are not cached yet."""
    paths = {text: cache_folder() / f"{_key(folder, text)}.safetensors" for text in texts}
    kept = {text: _read(path) for text, path in paths.items()}
    missing = [text for text, prompt in kept.items() if prompt is None]
    if missing:
        for text, prompt in zip(missing, _encode(folder, family, missing), strict=True):
            _keep(paths[text], prompt, text)
            kept[text] = prompt
    found = [prompt for text in texts if (prompt := kept[text]) is not None]
    return [Prompt(prompt.embeds.to(dtype), prompt.mask) for prompt in found]


def _read(path: Path) -> Prompt | None:
    """What is cached; nothing if it is not there or damaged."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return None
    return Prompt(tensors["embeds"], tensors.get("mask")) if "embeds" in tensors else None


def _keep(path: Path, prompt: Prompt, text: str) -> None:
    tensors = {"embeds": prompt.embeds} | ({} if prompt.mask is None else {"mask": prompt.mask})
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what somebody asked for is nobody else's
    part = path.with_suffix(f".{os.getpid()}")
    save_tensors(tensors, part, {"prompt": text})
    part.replace(path)


def _key(folder: Path, text: str) -> str:
    """Names the pair of encoder and text; the encoder by its configuration and the sizes of its files."""
    digest = hashlib.sha256(text.encode())
    for file in sorted([*folder.glob("text_encoder/*"), *folder.glob("tokenizer/*")]):
        digest.update(f"{file.parent.name}/{file.name} {file.stat().st_size}".encode())
        if file.suffix == ".json" and file.stat().st_size < 1 << 20:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def _encode(folder: Path, family: Family, texts: Sequence[str]) -> list[Prompt]:
    missing = check_part(folder / "text_encoder")
    if not (folder / "tokenizer").is_dir():
        missing.append("tokenizer/")
    if missing:
        raise UserError(f"{folder} lacks {', '.join(missing)}, which are needed once to read the prompt {texts[0]!r}; "
                        "afterwards it is cached")
    try:
        encode = family.load().text_encoder(folder)
    except (OSError, ValueError) as error:
        raise UserError(f"the text encoder in {folder} does not load: {error}") from error
    with torch.no_grad():
        prompts = [encode(text) for text in texts]
    del encode
    gc.collect()
    return prompts
