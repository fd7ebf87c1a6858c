"""Opens the output of a render by the suffix of its name."""

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
    """Finds the codec for an output.

    Args:
        path: the output, as the user names it.
        codec: the codec that the user chose, or "auto".

    Returns:
        The codec of a video, or the suffix for pictures.

    Raises:
        UserError: no output has this suffix, or `codec` does not fit it.
    """
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
    """Opens the output for `path` and locks it.

    Args:
        path: the output, as the user names it.
        source: the input of the render. It is never written to.
        layout: what the pictures show.
        film: the codec and the sound.
        overwrite: whether a result that exists may be replaced.

    Raises:
        UserError: the suffix and the codec do not fit, or the output cannot be written.
    """
    codec = check(path, film.codec)
    if codec in PICTURES:
        folder = path.with_suffix("")
        place = Place(path, folder, source, f"{pictures.ours(folder.name)}|{OURS}", overwrite)
        output = pictures.PictureFolder(place, layout, codec)
        output.notes += [f"pictures have no sound: that of {source.name} is left out"] if film.sound else []
        return output
    place = Place(path, path, source, f"{video.OURS}|{OURS}", overwrite)
    return video.VideoFile(place, layout, replace(film, codec=codec))
