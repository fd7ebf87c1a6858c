"""Renders the pairs of a plan, several at a time, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from capture.recording.layout import About, entry_of
from capture.recording.tracks import FrameCoder, PhotoCoder
from capture.recording.writer import SessionWriter
from capture.video.tracks import LOSSLESS_RGB
from engine_plugins.demo_game.frames import to_frame
from engine_plugins.demo_game.raster import GBuffer, NoOpenGLError, Rasteriser
from engine_plugins.demo_game.worlds import WORLDS
from realmaster.errors import UserError
from realmaster.pairs import align
from realmaster.pairs.dataset import CARD, CLIPS, INDEX, Card, Clip, Dataset, Refused, checksums, encode
from realmaster.pairs.pathtrace import PathTracer, use_threads
from realmaster.pairs.plan import FPS, PRESETS, ClipPlan, choose_start, plan
from realmaster.pairs.settings import PairsRender
from realmaster.pairs.sheet import contact_sheet
from realmaster.progress import Progress

R = TypeVar("R")
GENERATOR = "realmaster worlds 1"


def render_clip(clip: ClipPlan, folder: Path) -> Clip | Refused:
    """Draws both halves of a clip and writes them to `folder`/NAME, unless they do not line up."""
    width, height = clip.preset.size
    scene = WORLDS[clip.world](clip.seed)
    game = Rasteriser(scene, width, height)
    seconds = clip.preset.frames / FPS
    start = choose_start(lambda t: game.render(t, 0.0), len(scene.shots), seconds, clip.seed)
    tracer = PathTracer(scene, width, height, clip.preset.samples, start + seconds / 2)
    drawn: list[GBuffer] = []
    photos: list[NDArray[np.uint8]] = []
    depths: list[NDArray[np.float32]] = []
    for i in range(clip.preset.frames):
        drawn.append(game.render(start + i / FPS, 1 / FPS))
        photo, depth = tracer.render(start + i / FPS, seed=i)
        photos.append(photo)
        depths.append(depth)
    figures = align.measure(photos, [b.motion for b in drawn],
                            list(zip([b.inverse_depth for b in drawn], depths, strict=True)))
    try:
        figures.check()
    except UserError as error:
        return Refused(name=clip.name, why=str(error))
    path = folder / clip.name
    write_pair(path, f"{clip.world} {clip.seed}", start, drawn, photos)
    return Clip(name=clip.name, split=clip.split, world=clip.world, seed=clip.seed, start=round(start, 4),
                frames=clip.preset.frames, caption=scene.caption, alignment=figures,
                newcomers=newcomers([b.object_id for b in drawn]), sha256=checksums(path))


def newcomers(object_ids: list[NDArray[np.uint32]]) -> dict[str, int]:
    """Objects that are not in the first frame, and the frame in which each first covers a thousandth of the picture."""
    entered: dict[str, int] = {}
    there = set(np.unique(object_ids[0]).tolist())
    for i, ids in enumerate(object_ids):
        values, counts = np.unique(ids, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if value not in there and str(value) not in entered and count > ids.size / 1000:
                entered[str(value)] = i
    return entered


def write_pair(path: Path, source: str, start: float, drawn: list[GBuffer], photos: list[NDArray[np.uint8]]) -> None:
    """One session: the game's frames with every buffer, and the photographs."""
    for left in (path, path.with_name(path.name + ".part")):
        shutil.rmtree(left, ignore_errors=True)  # of a run that was killed before it could write the index
    writer = SessionWriter(path, About(source=source, pacing="framelocked", clock="game"))
    frames, pictures = FrameCoder(), PhotoCoder(LOSSLESS_RGB)
    for i, (buffers, photo) in enumerate(zip(drawn, photos, strict=True)):
        pts = round(i * 1000 / FPS)
        frame = to_frame(buffers, i, start + i / FPS, 1 / FPS, cut=i == 0)
        writer.write(frames.code(entry_of(frame, pts, 0), frame.buffers))
        writer.write(pictures.code(photo, pts))
    writer.close()


def _start_worker(threads: int) -> None:
    os.environ.setdefault("LP_NUM_THREADS", str(threads))
    use_threads(threads)


def prepare_dataset(out: Path, card: Card) -> set[str]:
    """Makes the dataset's folder, or goes on with one of the same card; says which clips it has."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / CARD).exists():
        (out / CARD).write_bytes(encode(card) + b"\n")
        (out / INDEX).touch()
    found = Dataset(out)
    if found.card != card:
        raise UserError(f"{out} holds another kind of clips ({found.card}): choose another --out")
    return {clip.name for clip in found.clips} | {clip.name for clip in found.refused}


def results(todo: list[Callable[[], R]], workers: int) -> Iterator[R]:
    """Does it all in `workers` processes. Raises `UserError` if one of them dies or cannot draw."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (threads,)) as pool:
        jobs: list[Future[R]] = [pool.submit(job) for job in todo]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in active_children():  # Ctrl-C: a clip takes too long to wait for
                worker.terminate()
            if isinstance(error, NoOpenGLError):
                raise UserError(str(error)) from error
            if isinstance(error, BrokenProcessPool):
                raise UserError("a process that rendered was killed, perhaps for its memory: the same command goes "
                                "on; try fewer --workers") from error
            raise


def render_pairs(settings: PairsRender) -> None:
    """Renders every missing clip of the preset, prints its figures, and draws the contact sheet."""
    preset = PRESETS[settings.preset]
    width, height = preset.size
    done = prepare_dataset(settings.out, Card(width=width, height=height, frames=preset.frames, fps=FPS,
                                              samples=preset.samples, generator=GENERATOR))
    clips = plan(preset)
    missing = [clip for clip in clips if clip.name not in done]
    progress = Progress("pairs", len(clips), "clips", clock=time.monotonic, done=len(clips) - len(missing))
    with (settings.out / INDEX).open("ab", buffering=0) as index:
        todo = [partial(render_clip, clip, settings.out / CLIPS) for clip in missing]
        for result in results(todo, min(settings.workers, max(1, len(missing)))):
            index.write(encode(result) + b"\n")
            match result:
                case Clip(name=name, alignment=a):
                    print(f"{name}: hits differ {a.hit_mismatch:.2%}, depth {a.depth_error:.2%}, "
                          f"motion explains {a.warp_gain_db:+.1f} dB over {a.still_db:.1f}", flush=True)
                case Refused(name=name, why=why):
                    print(f"{name}: REFUSED, {why}", flush=True)
            progress.step()
    progress.close()
    dataset = Dataset(settings.out)
    contact_sheet(dataset)
    print(f"{settings.out}: {len(dataset.clips)} clips, {len(dataset.refused)} refused")
