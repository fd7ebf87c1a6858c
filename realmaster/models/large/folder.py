"""What a folder with a backbone in diffusers' layout must hold; says what is missing before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from realmaster.errors import UserError

PARTS = ("model_index.json", "transformer/*", "transformer_2/*", "vae/*", "text_encoder/*", "tokenizer/*",
         "connectors/*", "scheduler/*")
LAYOUT = "FOLDER/{transformer,vae}/ with config.json and safetensors, and text_encoder/, tokenizer/, scheduler/"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises `UserError` naming the file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise UserError(f"{path} is damaged ({error}): copy it again") from error


def check_part(part: Path) -> list[str]:
    """What is missing of a model's part, such as FOLDER/transformer."""
    files = list(part.glob("*.safetensors"))
    if not (part / "config.json").is_file():
        # A transformer or autoencoder may come as a single file in its authors' own layout, which has none.
        single = part.name.startswith(("transformer", "vae")) and len(files) == 1
        return [] if single else [f"{part.name}/config.json"]
    indices = sorted(part.glob("*.safetensors.index.json"))
    if indices:
        shards = set(read_json(indices[0]).get("weight_map", {}).values())
        return sorted(f"{part.name}/{shard}" for shard in shards if not (part / shard).is_file())
    return [] if files else [f"{part.name}/*.safetensors"]


def check_folder(folder: Path) -> None:
    """Raises `UserError` listing all that the folder lacks to render."""
    missing = [item for part in ("transformer", "vae") for item in check_part(folder / part)]
    if (folder / "transformer_2").is_dir():
        missing += check_part(folder / "transformer_2")
    if missing:
        pickled = [p.name for p in folder.glob("*/*.bin")]
        hint = " (its .bin files are pickles, which are never loaded: get the safetensors)" if pickled else ""
        raise UserError(f"{folder} is not a whole model{hint}: it lacks {', '.join(missing)}. The layout is {LAYOUT}")


def is_large(folder: Path) -> bool:
    """Whether `folder` is in diffusers' layout, rather than in tiny's (whose autoencoder is our own)."""
    vae, config = folder / "vae", folder / "vae" / "config.json"
    if config.is_file():
        return "_class_name" in read_json(config)
    return (folder / "model_index.json").is_file() or any(vae.glob("*.safetensors"))


def resolve(model: str) -> Path:
    """The folder of a model: `model` itself, or what the hub has under that id (ORGANISATION/NAME), downloaded.

    Raises `UserError` if there is neither.
    """
    if Path(model).is_dir():
        return Path(model)
    if Path(model).exists() or model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise UserError(f"unknown model {model!r}: use tiny, a folder with a model, or a hub id such as "
                        "Wan-AI/Wan2.1-T2V-1.3B-Diffusers (`realmaster models` lists them)")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise UserError("a model from the hub needs more: pip install -e '.[train]'") from error
    try:
        return Path(snapshot_download(model, allow_patterns=list(PARTS),
                                      ignore_patterns=["*.bin", "*.pt", "*.pth", "*.ckpt"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(f"{model!r} is no folder here, and the hub did not give it: {str(error).splitlines()[0]}. "
                        "Download it elsewhere and give its folder") from error
