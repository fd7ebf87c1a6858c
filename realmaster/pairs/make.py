"""Makes a dataset of pairs, whatever way they are made: several at a time, resumable, with a contact sheet at the end.

A way of making pairs is a function in `makers/` from a command's settings to a `PairPlan`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TypeVar

from engine_plugins.demo_game.raster import NoOpenGLError
from realmaster.errors import UserError
from realmaster.pairs.dataset import CARD, INDEX, Card, Clip, Dataset, Refused, encode
from realmaster.pairs.pathtrace import use_threads
from realmaster.pairs.sheet import contact_sheet
from realmaster.progress import Progress

R = TypeVar("R")


@dataclass(frozen=True)
class PairPlan:
    """The pairs that a dataset shall have. Each job makes the pair of its name, in a process of its own."""

    card: Card
    jobs: dict[str, Callable[[], Clip | Refused]]


def make_pairs(out: Path, plan: PairPlan, workers: int) -> Dataset:
    """Makes every pair of `plan` that `out` lacks, prints its figures, and draws the contact sheet.

    Raises:
        UserError: `out` holds clips of another kind, or a process that makes a pair died.
    """
    done = prepare_dataset(out, plan.card)
    todo = [job for name, job in plan.jobs.items() if name not in done]
    progress = Progress("pairs", len(plan.jobs), "pairs", done=len(plan.jobs) - len(todo))
    with (out / INDEX).open("ab", buffering=0) as index:
        for result in results(todo, min(workers, max(1, len(todo)))):
            index.write(encode(result) + b"\n")
            match result:
                case Clip(name=name, alignment=a):
                    print(f"{name}: hits differ {a.hit_mismatch:.2%}, depth {a.depth_error:.2%}, "
                          f"motion explains {a.warp_gain_db:+.1f} dB over {a.still_db:.1f}", flush=True)
                case Refused(name=name, why=why):
                    print(f"{name}: REFUSED, {why}", flush=True)
            progress.step()
    progress.close()
    dataset = Dataset(out)
    contact_sheet(dataset)
    print(f"{out}: {len(dataset.clips)} pairs, {len(dataset.refused)} refused")
    return dataset


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
    # A process ends with its clip: the path tracer gives the memory of a scene back to nobody else.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (threads,), max_tasks_per_child=1) as pool:
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


def _start_worker(threads: int) -> None:
    os.environ.setdefault("LP_NUM_THREADS", str(threads))
    use_threads(threads)
