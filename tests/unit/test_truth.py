"""Places: what names the pack's things, resolved, frozen for a clip, kept in a file, and drawn in styles."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game import pack
from engine_plugins.demo_game.place import Finish, Place, Thing, resolve, standing
from engine_plugins.demo_game.scene import SHOT_SECONDS
from engine_plugins.demo_game.style import GameStyle, pick_style
from engine_plugins.demo_game.worlds.cameras import along
from engine_plugins.demo_game.worlds.motion import Track, rounded
from realmaster.errors import UserError
from realmaster.pairs import frozen
from realmaster.pairs.assets.catalogue import PACKAGES, SHA256, Package
from realmaster.pairs.assets.fetch import fetch
from realmaster.pairs.foliage import cut_out
from realmaster.pairs.temporal import Accumulator
from realmaster.pairs.truth import split_of, sure, upcoming


@pytest.fixture(scope="module")
def small_pack(tmp_path_factory: pytest.TempPathFactory) -> pack.Pack:
    """A pack of one box with paint, one surface and one sky."""
    folder = tmp_path_factory.mktemp("pack")
    for name in (pack.MODELS, pack.PICTURES, pack.ENVIRONMENTS):
        (folder / name).mkdir()
    box = geo.box(1.0, 1.0, 1.0)
    arrays = {f"0.{what}": getattr(box, what) for what in ("position", "normal", "uv", "index")}
    np.savez(folder / pack.MODELS / "cube.npz", allow_pickle=False, **arrays)
    cv2.imwrite(str(folder / pack.PICTURES / "tile.png"), np.full((8, 8, 3), 90, np.uint8))
    sky = np.full((64, 128, 3), 0.5, np.float32)
    cv2.imwrite(str(folder / pack.ENVIRONMENTS / "grey.hdr"), sky)
    about = pack.About(pack.VERSION, {"cube": pack.ModelEntry("thing", ["paint"], {"paint": pack.Look()}, (1, 1, 1))},
                       {"tile": pack.SurfaceEntry("ground", "tile.png", 2.0, 0.8)},
                       {"grey": pack.EnvironmentEntry("overcast", (0.0, 1.0, 0.0))})
    (folder / pack.INDEX).write_bytes(msgspec.json.encode(about))
    return pack.Pack(folder)


def _place() -> Place:
    path = rounded([(-20.0, -6.0), (20.0, -6.0)], 1)
    return Place("a cube", "grey", 0.3, {"ground": Finish("tile", wet=0.4), "red": Finish(colour=(0.8, 0.1, 0.1))},
                 ((geo.quad(40, 40), "ground"), (geo.quad(2, 2), "ground")),
                 (Thing("cube", standing(0, -4), dress={"paint": "red"}), Thing("cube", Track(path, 3.0), 7)),
                 (along((0, 1.6, 0), (0, 1.4, -10), (0, 0, -1), 0.2),))


def test_a_frozen_place_is_the_place_over_the_clip(small_pack: pack.Pack, tmp_path: Path) -> None:
    fps, start = 24.0, 2.5
    place = _place()
    frozen.save(frozen.freeze(place, start, 5, fps, SHOT_SECONDS), tmp_path / "place.npz")
    kept = frozen.load(tmp_path / "place.npz")
    scene, original = resolve(kept, small_pack), resolve(place, small_pack)
    for i in range(-1, 5):
        np.testing.assert_array_equal(scene.camera(i / fps)[0] if i >= 0 else kept.shots[0].view(i / fps),
                                      original.camera(start + i / fps)[0])
        for ours, theirs in zip(scene.movers, original.movers, strict=True):
            np.testing.assert_allclose(ours.motion.pose(i / fps), theirs.motion.pose(start + i / fps), atol=1e-5)
    assert [len(part.mesh.index) for part in scene.static] == [4], "pieces of one finish are one mesh"
    assert kept.finishes == place.finishes
    assert scene.materials["red"].texture.colour[0, 0].tolist() == [204, 26, 26]


def test_no_place_and_no_pack_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "place.npz").write_bytes(b"none")
    with pytest.raises(UserError, match="is no place"):
        frozen.load(tmp_path / "place.npz")
    with pytest.raises(pack.PackError, match="realmaster pairs assets"):
        pack.Pack(tmp_path)


def test_another_file_than_the_one_that_was_tried_is_refused(tmp_path: Path) -> None:
    package = Package("npm", "nothing", "1.0", "nothing-1.0.tgz", "none")
    (tmp_path / package.file).write_bytes(b"changed")
    with pytest.raises(UserError, match="SHA-256 differs"):
        fetch(package, "0" * 64, tmp_path)


def test_every_package_has_a_hash() -> None:
    assert set(PACKAGES) == set(SHA256)
    assert all(len(digest) == 64 for digest in SHA256.values())


def test_leaves_cover_what_their_alpha_leaves_of_the_card() -> None:
    y, x = np.mgrid[0:64, 0:64]
    alpha = np.where(np.hypot(x - 31.5, y - 31.5) < 20, 255, 0).astype(np.uint8)
    card = geo.Mesh(np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], np.float32),
                    np.tile(np.array([[0, 0, 1]], np.float32), (4, 1)),
                    np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.uint32))
    leaf = cut_out(card, alpha)
    a, b, c = (leaf.position[leaf.index[:, i]] for i in range(3))
    area = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
    assert area == pytest.approx(np.pi * (20 / 32) ** 2, rel=0.08)


def test_light_is_carried_along_the_motion() -> None:
    rng = np.random.default_rng(0)
    shape = (24, 32)
    albedo, normal = np.full((*shape, 3), 0.5, np.float32), np.tile(np.array([0, 1, 0], np.float32), (*shape, 1))
    depth, motion = np.full(shape, 5, np.float32), np.zeros((*shape, 2), np.float32)
    gathered = Accumulator()
    first = last = np.zeros((*shape, 3), np.float32)
    for i in range(12):
        noisy = rng.gamma(2.0, 0.5, (*shape, 3)).astype(np.float32)
        last = gathered.add(noisy, albedo, normal, depth, motion)
        first = noisy if i == 0 else first
    assert last.std() < 0.6 * first.std()
    assert float(last.mean()) == pytest.approx(1.0, abs=0.1)


def test_styles_differ_and_keep_to_their_levels() -> None:
    styles = {pick_style(seed) for seed in range(20)}
    assert len(styles) == 20
    assert {style.light for style in styles} == {"pixel", "vertex", "flat", "none"}
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (2, 1, 4))
    assert len(np.unique(GameStyle(levels=16).graded(ramp)[..., :3])) == 16


def test_more_truth_goes_on_where_there_is_least_and_splits_share_no_seed() -> None:
    first = [name for name, _, _ in upcoming([], 40)]
    again = [name for name, _, _ in upcoming(first[:17], 23)]
    assert first[17:] == again, "a later run goes on with what the first would have rendered"
    assert len(set(first)) == 40
    assert {split_of("park", i) for i in range(16)} == {"train", "validation", "test"}
    assert split_of("circuit", 0) == "test"


def test_hits_are_compared_where_the_game_has_no_edge_against_the_sky() -> None:
    inverse = np.zeros((8, 8), np.float16)
    inverse[:, 4:] = 0.5
    depth = np.full((8, 8), 3.0, np.float32)  # the photograph hits something everywhere
    told = sure(inverse, depth)
    assert (told[:, :3] == 3).all(), "a hit in the game's sky is told"
    assert (told[:, 3] == 0).all()
    assert (told[:, 4] == 2).all(), "at the edge the game's own depth stands in"
