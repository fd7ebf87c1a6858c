"""What all settings share: their base class, the bounds of their values, and their form in a TOML file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from realmaster.errors import UserError

T = TypeVar("T")
S = TypeVar("S", bound="Settings")
Side = Annotated[int, msgspec.Meta(ge=16, le=8192)]
"""Pixels along one side of a picture that a model renders."""
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Threads = Annotated[int, msgspec.Meta(ge=1, le=1024)]
Steps = Annotated[int, msgspec.Meta(ge=1, le=100)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
ObjectId = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
Frames = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all settings: named, immutable, unknown names refused."""


def from_toml(path: Path, kind: type[T]) -> T:
    """Settings of `kind` from a TOML file. Raises `UserError` naming what is wrong."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind, dec_hook=_decode)
    except OSError as error:
        raise UserError(f"cannot read settings from {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise UserError(f"{path}: {_plainly(error, '')}") from error
    except RecursionError as error:
        raise UserError(f"{path}: tables are nested too deeply") from error


def checked(settings: S) -> S:
    """`settings`, with every value inside the bounds that its declaration gives and `~` made the home folder.

    Raises:
        UserError: a value is out of bounds, or two of them exclude each other.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(settings, enc_hook=str), type(settings), dec_hook=_decode)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UserError(_plainly(error, "--")) from error


BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def _plainly(error: ValueError | msgspec.MsgspecError, dashes: str) -> str:
    """What msgspec says of a value, as a sentence that begins with the setting's name after `dashes`."""
    words, _, place = str(error).partition(" - at `$")
    bound = re.fullmatch(r"Expected `\w+` (>=|<=|>|<) (\S+)", words)
    if bound:
        words = f"must be {BOUNDS[bound[1]]} {bound[2].removesuffix('.0')}"
    words = re.sub(r"^Expected `int` that's a", "must be a", words)
    name = re.sub(r"\[.*", "", place.strip("`").rpartition(".")[2])
    if not name or words.startswith("--"):
        return words
    return f"{dashes}{name.replace('_', '-') if dashes else name} {words[0].lower() + words[1:]}"


def _decode(kind: type[T], value: object) -> T:
    if issubclass(kind, Path) and isinstance(value, str):
        return kind(home(value))
    raise ValueError(f"{value!r} is no name of a file or folder")


def printable(name: str) -> str:
    """`name` with the bytes that are no UTF-8 as escapes; Python keeps them as lone surrogates (PEP 383)."""
    return os.fsencode(name).decode(errors="backslashreplace")


def home(name: str) -> Path:
    """`name` with a leading `~` made the home folder, as a shell does before a program sees it."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UserError(f"{name}: there is no such home folder; if the name itself begins with ~, give the whole path"
                        ) from error


def as_toml(settings: msgspec.Struct) -> str:
    """The effective settings, as `from_toml` reads them; names of files that are not UTF-8 are written with escapes.

    Each setting is one line, so that a line can be left out or compared: no library writes lists so.
    """
    plain = msgspec.to_builtins(settings, enc_hook=lambda path: printable(str(path)))
    flat = {k: v for k, v in plain.items() if v is not None and not isinstance(v, dict)}
    tables = {k: {n: w for n, w in v.items() if w is not None} for k, v in plain.items() if isinstance(v, dict)}
    lines = [f"{k} = {msgspec.json.encode(v).decode()}" for k, v in flat.items()]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{k} = {msgspec.json.encode(v).decode()}" for k, v in table.items())]
    return "\n".join(lines) + "\n"
