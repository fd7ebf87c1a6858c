"""The output that a name asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from capture.video.join import FITTING, Film
from realmaster.errors import UserError
from realmaster.outputs import pictures, video
from realmaster.outputs.output import Layout, Output
from realmaster.outputs.place import Place
from realmaster.stream.resume import OURS

PICTURES = (".png", ".exr")


def check(path: Path, codec: str) -> str:
    """The codec for `path`, by its suffix. Raises `UserError` if there is none, or `codec` does not go into it."""
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        if codec != "auto":
            raise UserError(f"--codec {codec} is for videos: leave it out for {suffix}, or end the output in .mkv")
        return suffix
    if suffix not in FITTING:
        raise UserError(f"{path.name}: end the output in .mp4 (plays anywhere), .mkv (lossless), .mov (for editing), "
                        ".png or .exr (numbered pictures)")
    if codec == "auto":
        return FITTING[suffix][0]
    if codec not in FITTING[suffix]:
        takers = " or ".join(s for s, codecs in FITTING.items() if codec in codecs)
        raise UserError(f"--codec {codec} does not go into {suffix} ({' or '.join(FITTING[suffix])} would): end the "
                        f"output in {takers}")
    return codec


def open_output(path: Path, source: Path, layout: Layout, film: Film, overwrite: bool) -> Output:
    """The output for `path`, locked. `source` is never written to. Raises `UserError` if something is in the way."""
    codec = check(path, film.codec)
    if codec in PICTURES:
        folder = path.with_suffix("")
        place = Place(path, folder, source, f"{pictures.ours(folder.name)}|{OURS}", overwrite)
        output = pictures.PictureFolder(place, layout, codec)
        output.notes += [f"pictures have no sound: that of {source.name} is left out"] if film.sound else []
        return output
    place = Place(path, path, source, f"{video.OURS}|{OURS}", overwrite)
    return video.VideoFile(place, layout, replace(film, codec=codec))
