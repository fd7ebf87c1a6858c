"""`realmaster pairs truth`: renders more clips of truth, each in a process of its own, and writes the index."""

from __future__ import annotations

from functools import partial

from engine_plugins.demo_game.pack import Pack, PackError
from realmaster.errors import UserError
from realmaster.pairs.dataset import INDEX, Refused, encode
from realmaster.pairs.make import results
from realmaster.pairs.settings import PairsTruth
from realmaster.pairs.truth import prepare, render_truth, upcoming
from realmaster.progress import Progress


def add_truth(settings: PairsTruth) -> None:
    """Renders `settings.clips` more clips. Raises `UserError` if there is no pack."""
    try:
        Pack(settings.assets)
    except PackError as error:
        raise UserError(str(error)) from error
    truth = prepare(settings.out)
    done = [clip.name for clip in truth.clips] + [clip.name for clip in truth.refused]
    todo = [partial(render_truth, name, split, seed, samples=settings.samples, assets=settings.assets,
                    out=settings.out)
            for name, split, seed in upcoming(done, settings.clips)]
    progress = Progress("truth", len(todo), "clips")
    with (settings.out / INDEX).open("ab", buffering=0) as index:
        for result in results(todo, settings.workers):
            index.write(encode(result) + b"\n")
            if isinstance(result, Refused):
                print(f"{result.name}: REFUSED, {result.why}", flush=True)
            else:
                print(f"{result.name}: {result.seconds:.0f} CPU s, hits differ {result.alignment.hit_mismatch:.2%}, "
                      f"motion explains {result.alignment.warp_gain_db:+.1f} dB, coded at {result.coding_db:.1f} dB",
                      flush=True)
            progress.step()
    progress.close()
