"""Pairs without rendering any: plans, alignment, the dataset's format, and the copy for another trainer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from capture.errors import CaptureError
from capture.frame import Buffer, Camera, Encoding, Frame, Kind
from capture.recording.layout import PHOTO, About, entry_of
from capture.recording.tracks import FrameCoder, PhotoCoder
from capture.recording.writer import SessionWriter
from capture.video.tracks import LOSSLESS_RGB
from realmaster.commands.evaluate import run as evaluate
from realmaster.errors import UserError
from realmaster.evaluation.report import Report, facts_of
from realmaster.evaluation.settings import Evaluate
from realmaster.evaluation.table import Scores
from realmaster.pairs import align
from realmaster.pairs.check import check
from realmaster.pairs.dataset import CARD, CLIPS, INDEX, Card, Clip, Dataset, Refused, checksums, encode
from realmaster.pairs.export import cover, export
from realmaster.pairs.settings import PairsCheck, PairsExport
from realmaster.pairs.sheet import contact_sheet

WIDTH, HEIGHT, FRAMES = 96, 64, 9
ALIGNED = align.Alignment(hit_mismatch=0.0, depth_error=0.0, warp_gain_db=0.0, still_db=100.0)


def texture(rng: np.random.Generator, width: int = WIDTH + 60) -> np.ndarray:
    coarse = rng.integers(0, 255, (HEIGHT // 8, width // 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 8, 0), 8, 1)


def write_pair(folder: Path, name: str, split: str, seed: int) -> Clip:
    """A scene that slides two pixels a frame: the game dark, the photograph light."""
    rng = np.random.default_rng(seed)
    wide = texture(rng)
    path = folder / CLIPS / name
    writer = SessionWriter(path, About(source=name, pacing="framelocked", clock="game"))
    frames, pictures, photos = FrameCoder(), PhotoCoder(LOSSLESS_RGB), []
    camera = Camera(*(np.eye(4, dtype=np.float32) for _ in range(4)), 0.1, 100.0)
    for i in range(FRAMES):
        photo = np.ascontiguousarray(wide[:, 2 * i:2 * i + WIDTH])
        photos.append(photo)
        game = np.dstack([photo // 2, np.full((HEIGHT, WIDTH), 255, np.uint8)])
        frame = Frame(frame_id=i, t_capture_ns=0, t_game=i / 24, dt=1 / 24, camera=camera, buffers={
            Kind.COLOR: Buffer(Encoding.RGBA8, game),
            Kind.DEPTH: Buffer(Encoding.INVERSE_Z, np.full((HEIGHT, WIDTH, 1), 0.25, np.float16)),
            Kind.MOTION: Buffer(Encoding.PIXELS, np.dstack([np.full((HEIGHT, WIDTH), 2, np.float16),
                                                            np.zeros((HEIGHT, WIDTH), np.float16)])),
            Kind.NORMAL: Buffer(Encoding.WORLD_XYZ0, np.zeros((HEIGHT, WIDTH, 4), np.float16)),
            Kind.OBJECT_ID: Buffer(Encoding.INDEX, np.zeros((HEIGHT, WIDTH, 1), np.uint32))})
        writer.write(frames.code(entry_of(frame, round(i * 1000 / 24), 0), frame.buffers))
        writer.write(pictures.code(photo, round(i * 1000 / 24)))
    writer.close()
    motion = np.zeros((HEIGHT, WIDTH, 2), np.float16)
    motion[..., 0] = 2
    gain, still = align.explained(photos, [motion] * FRAMES)
    aligned = msgspec.structs.replace(ALIGNED, warp_gain_db=gain, still_db=still)
    return Clip(name=name, split=split, world="street", seed=seed, start=0.0, frames=FRAMES, caption="a street, noon",
                alignment=aligned, newcomers={}, sha256=checksums(path))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    folder = tmp_path / "pairs"
    (folder / CLIPS).mkdir(parents=True)
    card = Card(width=WIDTH, height=HEIGHT, frames=FRAMES, fps=24.0, samples=1, generator="test")
    (folder / CARD).write_bytes(encode(card))
    lines = [write_pair(folder, f"street_{seed:06d}", split, seed) for seed, split in ((1, "train"), (2, "test"))]
    lines.append(Refused(name="street_000003", why="misaligned"))
    (folder / INDEX).write_bytes(b"\n".join(encode(line) for line in lines) + b"\n")
    return Dataset(folder)


def test_a_pair_comes_back_as_it_was_written(dataset: Dataset):
    (clip,) = dataset.split("train")
    pair = dataset.load(clip, (Kind.DEPTH, Kind.MOTION))
    assert pair.rendered.shape == pair.photoreal.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert np.array_equal(pair.rendered, pair.photoreal // 2), "both halves are lossless, as docs/DATASET.md says"
    assert (pair.buffers[Kind.DEPTH] == 0.25).all() and (pair.buffers[Kind.MOTION][..., 0] == 2).all()
    assert len(pair.cameras) == FRAMES and pair.cameras[0] is not None
    assert [r.name for r in dataset.refused] == ["street_000003"]


def test_a_split_that_is_not_there_is_named(dataset: Dataset):
    with pytest.raises(UserError, match="no validation clips: it has test, train"):
        dataset.split("validation")


def test_a_folder_that_is_no_dataset_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(UserError, match="realmaster pairs render"):
        Dataset(tmp_path)


def test_check_finds_what_changed(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    assert check(PairsCheck(data=dataset.folder)) == 0
    track = dataset.folder / CLIPS / "street_000001" / f"{PHOTO}.mkv"
    track.write_bytes(track.read_bytes()[:-1] + b"\0")
    assert check(PairsCheck(data=dataset.folder)) == 1
    assert "street_000001: photo.mkv changed" in capsys.readouterr().out


@pytest.mark.parametrize(("figure", "value", "told"), [
    ("hit_mismatch", 0.5, "50.0% of the pixels hit different things"),
    ("depth_error", 0.2, "view depths differ by 20.0%"),
    ("warp_gain_db", 3.0, "the index says 3.00"), ("still_db", 30.0, "over 30.00: they are not of the same rendering")])
def test_check_holds_the_index_to_its_limits_and_to_the_pictures(dataset, capsys, figure, value, told):
    """Of each clip's figures, those that cannot be measured again, and those that can."""
    clip = dataset.clips[0]
    wrong = msgspec.structs.replace(clip, alignment=msgspec.structs.replace(clip.alignment, **{figure: value}))
    (dataset.folder / INDEX).write_bytes(encode(wrong) + b"\n")
    assert check(PairsCheck(data=dataset.folder)) == 1
    assert told in capsys.readouterr().out


def test_a_folder_of_videos_and_a_clip_without_buffers_are_told(dataset, tmp_path, capsys):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").touch()
    with pytest.raises(UserError, match=r"not a dataset of pairs .* into a new folder"):
        Dataset(tmp_path / "videos")
    clip = dataset.clips[0]
    for buffer in ("depth", "motion"):
        (dataset.folder / CLIPS / clip.name / f"{buffer}.mkv").unlink(missing_ok=True)
    lines = dataset.folder / CLIPS / clip.name / "frames.jsonl"
    text = [json.loads(line) for line in lines.read_text().splitlines()]
    assert text
    with pytest.raises((UserError, CaptureError), match=r"depth|motion"):
        dataset.load(clip, (Kind.DEPTH, Kind.MOTION))


def test_eval_says_at_once_that_the_clips_have_another_size(dataset, tmp_path):
    with pytest.raises(UserError, match=r"are 96x64, tiny renders 256x144: give --data of that size"):
        evaluate(Evaluate(data=dataset.folder, out=tmp_path / "report"))


def test_the_page_says_what_its_figures_depend_on(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/realmaster", "eval", "--steps", "1"])
    clip, scores = dataset.clips[0], Scores(0.5, *[1.0] * 9)
    report = Report(tmp_path, 24.0)
    report.add(clip, {"game": dataset.load(clip).rendered}, {"ours": scores})
    page = report.write({"ours": scores}, [], facts_of("tiny", Path("data/held_out"))).read_text()
    assert "realmaster eval --steps 1" in page and "/somewhere" not in page
    assert all(f"<dt>{fact}</dt>" in page for fact in ("model", "data", "command", "made", "machine"))
    assert page.count("<table>") == 2 and "Figures of this clip" in page


def test_the_export_cuts_and_never_stretches(tmp_path: Path):
    rows, columns = np.mgrid[0:144, 0:256]
    picture = np.dstack([rows, columns, np.zeros_like(rows)]).astype(np.uint8)
    assert np.array_equal(cover(picture, (256, 128)), picture[8:136])
    square = cover(picture, (64, 64)).astype(int)
    assert abs(int(square[0, 0, 1]) - 56) <= 2 and abs(int(square[-1, -1, 1]) - 199) <= 2
    assert abs(int(square[0, 0, 0])) <= 2 and abs(int(square[-1, -1, 0]) - 142) <= 2


def test_a_world_in_two_splits_is_found(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    twin = write_pair(dataset.folder, "street_again", "validation", 1)
    with (dataset.folder / INDEX).open("ab") as index:
        index.write(encode(twin) + b"\n")
    assert check(PairsCheck(data=dataset.folder)) == 1
    assert "another split" in capsys.readouterr().out


def test_the_export_has_roles_sizes_and_captions(dataset: Dataset, tmp_path: Path):
    out = tmp_path / "ltx"
    export(PairsExport(data=dataset.folder, out=out, frames=9, size=(96, 64)))
    (row,) = json.loads((out / "dataset.json").read_text())
    assert row["caption"] == "a street, noon"
    brightness = {}
    for role in ("video", "reference_video"):
        with av.open(str(out / row[role])) as video:
            frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
        assert len(frames) == 9 and frames[0].shape == (64, 96, 3)
        brightness[role] = np.mean(frames)
    assert brightness["video"] > 1.5 * brightness["reference_video"], "the photograph is the target"
    with pytest.raises(UserError, match="8k\\+1"):
        export(PairsExport(data=dataset.folder, out=out, frames=10))


def test_the_contact_sheet_shows_every_clip(dataset: Dataset):
    contact_sheet(dataset)
    assert (dataset.folder / "contact.jpg").stat().st_size > 1000


def clip_of(rng: np.random.Generator, shift: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    wide = texture(rng)
    photos = [np.ascontiguousarray(wide[:, shift * i:shift * i + WIDTH]) for i in range(4)]
    motion = np.zeros((HEIGHT, WIDTH, 2), np.float16)
    motion[..., 0] = shift
    return photos, [motion] * 4


def test_motion_that_explains_the_photograph_gains_and_its_opposite_is_refused():
    photos, motion = clip_of(np.random.default_rng(0), 3)
    inverse = np.full((HEIGHT, WIDTH), 0.2, np.float16)
    hits = [(inverse, np.full((HEIGHT, WIDTH), 5.0, np.float32))] * 4
    good = align.measure(photos, motion, hits)
    assert good.warp_gain_db > 30
    good.check()
    with pytest.raises(UserError, match="motion vectors"):
        align.measure(photos, [-m for m in motion], hits).check()


def test_another_depth_and_another_hit_are_refused():
    photos, motion = clip_of(np.random.default_rng(1), 2)
    inverse, far = np.full((HEIGHT, WIDTH), 0.2, np.float16), np.full((HEIGHT, WIDTH), 5.2, np.float32)
    with pytest.raises(UserError, match="view depths"):
        align.measure(photos, motion, [(inverse, far)] * 4).check()
    sky = np.full((HEIGHT, WIDTH), 5.0, np.float32)
    sky[:8] = 0
    with pytest.raises(UserError, match="hit different things"):
        align.measure(photos, motion, [(inverse, sky)] * 4).check()
