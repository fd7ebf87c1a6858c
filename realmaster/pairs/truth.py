"""The truth: path-traced clips of places, kept small, so that they add up from run to run.

    truth.json           a `TruthCard`
    clips.jsonl          a `TruthClip` line for each clip, a `Refused` line for each that did not line up
    clips/NAME.mp4       the photographs, H.264 in 4:4:4
    clips/NAME.npz       the place over the clip's frames (`frozen`), from which the game's half is drawn anew
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.errors import SourceEnded
from capture.video.encode import Codec, Encoder
from capture.video.source import VideoSource
from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.place import resolve
from engine_plugins.demo_game.places import PLACES
from engine_plugins.demo_game.raster import Rasteriser
from engine_plugins.demo_game.scene import SHOT_SECONDS
from realmaster.errors import UserError
from realmaster.guides.warp import psnr
from realmaster.pairs import align, frozen
from realmaster.pairs.align import Alignment
from realmaster.pairs.dataset import CLIPS, INDEX, Refused, encode
from realmaster.pairs.pathtrace import PathTracer
from realmaster.pairs.plan import FIRST_SEED, FPS, choose_start

CARD = "truth.json"
FORMAT, VERSION = "realmaster-truth", 1
SIZE, FRAMES = (256, 144), 33
CODEC = Codec("libx264", "yuv444p", {"crf": "4", "preset": "slow"})
CANDIDATES = 5
"""Moments of a place that are looked at before one is taken."""
HELD_OUT = ("circuit",)
"""Kinds of place of which no clip is for training."""
TEST_EVERY, VALIDATION_EVERY = 8, 16
"""Of a kind's clips, counted from 0: every eighth is for the test, and the one half-way to each second of those for
validation."""


class TruthCard(msgspec.Struct, frozen=True, kw_only=True):
    """What all clips have in common."""

    format: str = FORMAT
    version: int = VERSION
    width: int
    height: int
    frames: int
    fps: float


class TruthClip(msgspec.Struct, frozen=True, kw_only=True, tag="truth"):
    """One clip. `coding_db`: PSNR of what is kept against what was rendered; `seconds`: of CPU that it took."""

    name: str
    split: str
    world: str
    seed: int
    start: float
    samples: int
    caption: str
    alignment: Alignment
    coding_db: float
    seconds: float
    sha256: dict[str, str]


_decode = msgspec.json.Decoder(TruthClip | Refused).decode


class Truth:
    """A truth's folder. Raises `UserError` if it is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.card = msgspec.json.decode((folder / CARD).read_bytes(), type=TruthCard)
            lines = [_decode(line) for line in (folder / INDEX).read_bytes().splitlines()]
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UserError(f"{folder} is no truth: render one with `realmaster pairs truth --out {folder}` "
                            f"({error})") from error
        if self.card.format != FORMAT or self.card.version != VERSION:
            raise UserError(f"{folder} is a truth of version {self.card.version}; this is version {VERSION}")
        self.clips = sorted((line for line in lines if isinstance(line, TruthClip)), key=lambda c: c.name)
        self.refused = [line for line in lines if isinstance(line, Refused)]

    def photos(self, clip: TruthClip) -> NDArray[np.uint8]:
        """The photographs (T, H, W, 3) u8. Raises `CaptureError` or `UserError` if the file is damaged."""
        source = VideoSource(self.folder / CLIPS / f"{clip.name}.mp4")
        frames: list[NDArray[np.uint8]] = []
        try:
            while (frame := source.read(0.0)) is not None:
                frames.append(frame.rgb)
        except SourceEnded:
            pass
        finally:
            source.close()
        if len(frames) != self.card.frames:
            raise UserError(f"{clip.name}.mp4 has {len(frames)} frames, not {self.card.frames}: delete the clip's line "
                            f"from {INDEX} and render it again")
        return np.stack(frames)


def split_of(kind: str, number: int) -> str:
    """The split of a kind's clip `number`, counted from 0."""
    if kind in HELD_OUT or number % TEST_EVERY == 3:
        return "test"
    return "validation" if number % VALIDATION_EVERY == 15 else "train"


def upcoming(done: list[str], count: int) -> Iterator[tuple[str, str, int]]:
    """(name, split, seed) of the next `count` clips: always of the kind that has the fewest; `done` are names."""
    have = Counter(name.rsplit("_", 1)[0] for name in done)
    for _ in range(count):
        kind = min(PLACES, key=lambda k: (have[k] * (4 if k in HELD_OUT else 1), list(PLACES).index(k)))
        number = have[kind]
        have[kind] += 1
        split = split_of(kind, number)
        seed = FIRST_SEED[split] + number
        yield f"{kind}_{seed:06d}", split, seed


@lru_cache(maxsize=1)
def _pack(folder: Path) -> Pack:
    return Pack(folder)


def render_truth(name: str, split: str, seed: int, *, samples: int, assets: Path, out: Path) -> TruthClip | Refused:
    """Renders one clip and writes it into `out`, unless its halves do not line up."""
    began = time.process_time()
    kind, pack, (width, height) = name.rsplit("_", 1)[0], _pack(assets), SIZE
    place = PLACES[kind](seed, pack)
    seconds = FRAMES / FPS
    game = Rasteriser(resolve(place, pack), width, height)
    start = choose_start(lambda t: game.render(t, 0.0), len(place.shots), seconds, seed, CANDIDATES)
    place = frozen.freeze(place, start, FRAMES, FPS, SHOT_SECONDS)
    scene = resolve(place, pack)
    game = Rasteriser(scene, width, height)
    tracer = PathTracer(scene, width, height, samples, seconds / 2)
    photos: list[NDArray[np.uint8]] = []
    motion: list[NDArray[np.float16]] = []
    hits: list[tuple[NDArray[np.float16], NDArray[np.float32]]] = []
    for i in range(FRAMES):
        drawn = game.render(i / FPS, 1 / FPS)
        photo, depth = tracer.render(i / FPS, seed * 1000 + i, drawn.motion)
        photos.append(photo)
        motion.append(drawn.motion)
        hits.append((drawn.inverse_depth, sure(drawn.inverse_depth, depth)))
    figures = align.measure(photos, motion, hits)
    try:
        figures.check()
    except UserError as error:
        return Refused(name=name, why=str(error))
    digests, coding = _write(out / CLIPS / name, place, photos)
    return TruthClip(name=name, split=split, world=kind, seed=seed, start=round(start, 4), samples=samples,
                     caption=place.caption, alignment=figures, coding_db=coding,
                     seconds=round(time.process_time() - began, 1), sha256=digests)


def sure(inverse: NDArray[np.float16], depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """The photograph's view depth (H, W), and the game's where that has an edge against the sky.

    There, in foliage above all, one renderer asks a pixel's middle and the other four places in it.
    """
    sky = (inverse == 0).astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    edge = np.asarray(cv2.dilate(sky, square)) != np.asarray(cv2.erode(sky, square))
    game = np.divide(1, inverse, out=np.zeros(inverse.shape, np.float32), where=inverse > 0, dtype=np.float32)
    return np.where(edge, game, depth).astype(np.float32)


def _write(path: Path, place: Any, photos: list[NDArray[np.uint8]]) -> tuple[dict[str, str], float]:
    """Writes a clip's two files; returns their hashes, and the PSNR of the coding in dB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video, still = path.with_suffix(".mp4"), path.with_suffix(".npz")
    frozen.save(place, still)
    part = video.with_suffix(".part")
    encoder = Encoder(part, "mp4", CODEC, Fraction(round(FPS)))
    for i, photo in enumerate(photos):
        encoder.add(photo, Fraction(i, round(FPS)))
    encoder.finish()
    source = VideoSource(part)
    try:
        read = [frame.rgb for frame in (source.read(0.0) for _ in photos) if frame is not None]
    finally:
        source.close()
    everywhere = np.ones(photos[0].shape[:2], bool)
    coding = float(np.mean([psnr(a, b, everywhere) for a, b in zip(photos, read, strict=True)]))
    part.replace(video)
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (video, still)}
    return digests, round(coding, 2)


def prepare(out: Path) -> Truth:
    """The truth at `out`, made anew if there is none."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / CARD).exists():
        card = TruthCard(width=SIZE[0], height=SIZE[1], frames=FRAMES, fps=FPS)
        (out / CARD).write_bytes(encode(card) + b"\n")
        (out / INDEX).touch()
    return Truth(out)
