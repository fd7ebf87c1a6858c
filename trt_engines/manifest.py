"""The manifest beside exported graphs: what they are, and their hashes.

A graph is run only if its manifest names it, and from the very bytes whose hash was compared; a file that was cut
short or swapped is refused with the command that makes it anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

NAME = "manifest.json"
VERSION = 1


class EngineError(Exception):
    """An exported graph or plan cannot be used; the message says what to do."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts that a runtime needs before it opens a graph. Sizes in pixels and frames."""

    version: int
    model: str
    width: int
    height: int
    length: int
    latent_channels: int
    opset: int
    precision: str
    recipe: dict[str, str]
    """The LoRA's training recipe, as in its metadata."""
    sources: dict[str, str]
    """SHA-256 of the checkpoint files that the graphs were made of."""
    graphs: dict[str, str]
    """SHA-256 of every graph file, by file name."""


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest` into `folder`, whole or not at all."""
    part = folder / f"{NAME}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    part.rename(folder / NAME)


def read_manifest(folder: Path, remedy: str) -> Manifest:
    """The manifest of `folder`.

    Raises `EngineError` ending in `remedy`, which says how to get good files.
    """
    try:
        manifest = msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except OSError as error:
        raise EngineError(f"no {NAME} in {folder}: {remedy}") from error
    except msgspec.MsgspecError as error:
        raise EngineError(f"{folder / NAME} is damaged ({error}): {remedy}") from error
    if manifest.version != VERSION:
        raise EngineError(f"{folder / NAME} is version {manifest.version}, not {VERSION}: {remedy}")
    return manifest


def read_graph(folder: Path, name: str, manifest: Manifest, remedy: str) -> bytes:
    """The bytes of a graph file that `manifest` names. Raises `EngineError` if it names none, or others."""
    if name not in manifest.graphs:
        raise EngineError(f"{NAME} in {folder} does not name {name}: {remedy}")
    try:
        graph = (folder / name).read_bytes()
    except OSError as error:
        raise EngineError(f"{name} is missing or cannot be read ({error.strerror}): {remedy}") from error
    if hashlib.sha256(graph).hexdigest() != manifest.graphs[name]:
        raise EngineError(f"{name} is damaged (its hash is not the manifest's): {remedy}")
    return graph
