"""`realmaster eval`: every method on every held-out clip, as a table, a CSV file and a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.contract import Backend, RenderSettings
from capture.frame import Kind
from realmaster.config import TINY
from realmaster.errors import UserError
from realmaster.evaluation.drift import measure_drift
from realmaster.evaluation.report import Report, facts_of
from realmaster.evaluation.settings import Evaluate
from realmaster.evaluation.stream import stream
from realmaster.evaluation.table import LEGEND, Judge, Scores, rows_as_text, write_csv
from realmaster.models.open import open_backend
from realmaster.pairs.dataset import Clip, Dataset, Pair
from realmaster.training.colour import ColourStatistics

Video = NDArray[np.uint8]
Method = Callable[[Pair], Video]
TRUTH, GAME = "the truth itself", "the game's frame"
COMPARISONS = {"tiny": "ours, with the comparisons' training", "per-frame": "the same, one frame at a time",
               "regression": "the same, as plain regression", "guides": "the same, with normals and depth"}


def run(settings: Evaluate) -> int:
    """Prints the table; exit status 1 if the output is not closer to the truth than the game is."""
    try:
        return _evaluate(settings)
    except ModuleNotFoundError as error:
        raise UserError(f"evaluation needs {error.name}: pip install -e '.[eval]'") from error


def _evaluate(settings: Evaluate) -> int:
    dataset = Dataset(settings.data)
    clips = dataset.split(settings.split)
    backend = open_backend(settings.model)
    _check_size(dataset, backend)
    methods, notes = _methods(settings, backend)
    distance = _perceptual(settings.lpips)
    ours = f"ours, {_steps(settings.steps[0])}"
    scores: dict[str, list[tuple[Clip, Scores]]] = {name: [] for name in methods}
    objects: dict[str, np.ndarray] = {}
    report = Report(settings.out, dataset.card.fps)
    for clip in clips:
        pair = dataset.load(clip, (*Judge.needs, Kind.NORMAL))
        judge, shown = Judge(pair, distance), pair.rendered
        for name, method in methods.items():
            video = method(pair)
            scores[name].append((clip, judge.score(video)))
            if name == ours:
                shown = video
                for group, sums in judge.object_errors(video).items():
                    objects[group] = objects.get(group, np.zeros(3)) + sums
        report.add(clip, {"game": pair.rendered, "RealMaster": shown, "path-traced truth": pair.photoreal},
                   {name: found[-1][1] for name, found in scores.items()})
        print(f"{clip.name}: {scores[ours][-1][1].gap:.1%} of the gap closed", flush=True)
    rows = {name: Scores.mean([s for _, s in entries]) for name, entries in scores.items()}
    notes = [*_object_notes(objects), _drift_note(dataset, clips, backend, settings), *notes]
    _write(settings.out, rows, scores, notes)
    print("\n" + rows_as_text(rows) + "\n\n" + LEGEND + "\n\n" + "\n".join(notes))
    print(f"\n{report.write(rows, notes, facts_of(settings.model.model, settings.data))}")
    return int(rows[ours].gap <= 0)


def _check_size(dataset: Dataset, backend: Backend) -> None:
    """Raises `UserError` if the clips are not of the model's size: pixels are compared with pixels."""
    card, spec = dataset.card, backend.spec
    if (card.width, card.height) != (spec.width, spec.height):
        raise UserError(f"the clips in {dataset.folder} are {card.width}x{card.height}, {spec.model} renders "
                        f"{spec.width}x{spec.height}: give --data of that size, or for a large model --resolution "
                        f"{card.width} {card.height}")


def _perceptual(weights: Path | None) -> Callable[[Video, Video], float] | None:
    if weights is None:
        return None
    from realmaster.evaluation.perceptual import Lpips

    return Lpips(weights).distance


def _steps(count: int) -> str:
    return f"{count} step{'s' if count > 1 else ''}"


def _methods(settings: Evaluate, backend: Backend) -> tuple[dict[str, Method], list[str]]:
    """Every row of the table, and a line for each that is left out."""
    methods: dict[str, Method] = {TRUTH: lambda pair: pair.photoreal, GAME: lambda pair: pair.rendered}
    notes: list[str] = []
    try:
        colours = ColourStatistics.load(TINY if settings.model.model == "tiny" else Path(settings.model.model))
        methods["colour transfer"] = lambda pair: colours.apply(pair.rendered)
    except UserError as error:
        notes.append(f"Left out: {error}")
    methods["colour transfer, told the truth's"] = lambda pair: ColourStatistics.of(
        pair.rendered, pair.photoreal).apply(pair.rendered)
    for steps in settings.steps:
        look = RenderSettings(strength=1.0, steps=steps, seed=0)
        methods[f"ours, {_steps(steps)}"] = lambda pair, look=look: np.stack(
            stream(backend, pair.rendered, look).photos)
    for name, label in COMPARISONS.items():
        try:
            methods[label] = _variant(settings, name)
        except UserError as error:
            notes.append(f"Left out: {label} ({error})")
    return methods, notes


def _variant(settings: Evaluate, name: str) -> Method:
    folder = settings.comparisons / name
    if not (folder / "lora.safetensors").exists():
        raise UserError(f"no model in {folder}: realmaster train --variant {name} --preset short makes one")
    try:
        from realmaster.evaluation.variants import VariantModel
    except ModuleNotFoundError as error:
        raise UserError(f"this needs {error.name}: pip install -e '.[train]'") from error
    base = TINY if settings.model.model == "tiny" else Path(settings.model.model)
    return VariantModel(base, folder).render


def _object_notes(objects: dict[str, np.ndarray]) -> list[str]:
    return [f"Objects, {group}: {1 - ours / game:.1%} of the gap closed on {int(pixels)} pixels"
            if game else f"Objects, {group}: none" for group, (ours, game, pixels) in objects.items()]


def _drift_note(dataset: Dataset, clips: list[Clip], backend: Backend, settings: Evaluate) -> str:
    clip = dataset.load(clips[0]).rendered
    drift = measure_drift(backend, clip, RenderSettings(strength=1.0, steps=settings.steps[0], seed=0))
    return (f"Drift over a minute of {clips[0].name}, to and fro: mean colour moves by {drift.delta_e:.2f} delta E, "
            f"equal frames differ by {drift.change:.2f} of 255")


def _write(out: Path, rows: dict[str, Scores], scores: dict[str, list[tuple[Clip, Scores]]], notes: list[str]) -> None:
    (out / "table.md").write_text(rows_as_text(rows, markdown=True) + "\n\n" + LEGEND + "\n\n"
                                  + "\n".join(f"* {note}" for note in notes) + "\n")
    write_csv(out / "scores.csv", scores)


