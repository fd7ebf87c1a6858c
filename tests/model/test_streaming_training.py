"""The streaming model's trainer on a dataset of moments: what it reads, what it weighs, and that it goes through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from realmaster.errors import UserError  # noqa: E402
from realmaster.models.tensor_files import save_tensors  # noqa: E402
from realmaster.models.tiny.chunks import Chunks  # noqa: E402
from realmaster.pairs.dataset import CARD, CLIPS, INDEX, Card, encode  # noqa: E402
from realmaster.training.codec import train_codec  # noqa: E402
from realmaster.training.critic import Critic  # noqa: E402
from realmaster.training.features import COMPARED, FIRES, Features  # noqa: E402
from realmaster.training.frames import Frames  # noqa: E402
from realmaster.training.loop import Run  # noqa: E402
from realmaster.training.losses import BORDER, change_loss, shadows, weights  # noqa: E402
from realmaster.training.recipe import STREAMING, Phase, Stage  # noqa: E402
from realmaster.training.streaming import train_flow, train_rollout  # noqa: E402
from tests.unit.test_pairs import FRAMES, HEIGHT, WIDTH, write_pair  # noqa: E402

torch.set_num_threads(1)
CROP = 64, 96


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    (folder / CLIPS).mkdir()
    (folder / CARD).write_bytes(encode(Card(width=WIDTH, height=HEIGHT, frames=FRAMES, fps=24.0, samples=1,
                                            generator="test")))
    lines = [write_pair(folder, f"street_{seed:06d}", "train", seed) for seed in (1, 2)]
    (folder / INDEX).write_bytes(b"".join(encode(line) + b"\n" for line in lines))
    return folder


def test_batches_hold_both_halves_of_the_same_place(data: Path, tmp_path: Path):
    frames = Frames(data, tmp_path)
    batch = frames.pick(np.random.default_rng(0), 3, 2, (32, 48))
    assert batch.game.shape == batch.photo.shape == (3, 8, 3, 32, 48)
    assert batch.guides.shape == (3, 8, 3, 16, 24) and batch.what.shape == (3, 8, 16, 24)
    levels = ((batch.photo + 1) * 127.5).round().int()
    assert torch.equal(((batch.game + 1) * 127.5).round().int(), levels // 2)
    files = sorted(tmp_path.iterdir())
    before = [f.stat().st_mtime_ns for f in files]
    again = Frames(data, tmp_path).pick(np.random.default_rng(0), 3, 2, (32, 48))
    assert torch.equal(again.game, batch.game) and [f.stat().st_mtime_ns for f in files] == before


def test_clips_that_are_too_short_are_refused_with_what_to_do(data: Path, tmp_path: Path):
    with pytest.raises(UserError, match="training needs 12 of 48x32 at least: draw or render longer ones"):
        Frames(data, tmp_path).pick(np.random.default_rng(0), 1, 3, (32, 48))


def test_shadows_weigh_more_than_light_and_the_sky_less():
    game, what = torch.zeros(1, 1, 3, 32, 32), torch.ones(1, 1, 16, 16)
    photo = game.clone()
    photo[..., 16:, :8] = -0.8
    what[..., :4, :] = 0
    dark = shadows(game, photo, what)
    assert dark[0, 0, 4:, :2].all() and not dark[0, 0, :, 2:].any() and not dark[0, 0, :4].any()
    weight = weights(game, photo, what)
    assert weight.mean().item() == pytest.approx(1)
    assert weight[..., 31, 0] == pytest.approx(3 * weight[..., 31, 31].item())
    assert weight[..., 0, 0] == pytest.approx(0.5 * weight[..., 31, 31].item())


def test_a_jump_between_groups_costs_more_than_one_inside():
    photo = torch.zeros(1, 8, 3, 4, 4)
    between, inside = photo.clone(), photo.clone()
    between[:, 4:] = 0.5
    inside[:, 2:] = 0.5
    assert change_loss(between, photo) == pytest.approx(BORDER * change_loss(inside, photo).item())
    assert change_loss(photo + 0.5, photo) == 0


def test_critic_and_what_it_judges_leave_each_others_weights_alone():
    torch.manual_seed(0)
    critic, out = Critic(8), torch.rand(2, 3, 32, 32, requires_grad=True)
    judged = critic.judge(out, torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    judged.own.backward(retain_graph=True)
    assert out.grad is None and all(p.grad is not None for p in critic.parameters())
    critic.zero_grad()
    (judged.verdict + judged.matching).backward()
    assert out.grad is not None and all(p.grad is None for p in critic.parameters())


def squeeze_net(path: Path) -> Path:
    """A network with SqueezeNet's names, far narrower."""
    made = torch.Generator().manual_seed(0)
    shapes = {"0": (4, 3, 3, 3)}
    for n in FIRES:
        shapes |= {f"{n}.squeeze": (2, 4, 1, 1), f"{n}.expand1x1": (2, 2, 1, 1), f"{n}.expand3x3": (2, 2, 3, 3)}
    tensors = {f"features.{name}.weight": torch.randn(shape, generator=made) for name, shape in shapes.items()}
    tensors |= {f"features.{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    save_tensors(tensors, path)
    return path


def test_features_tell_pictures_apart(tmp_path: Path):
    features = Features(squeeze_net(tmp_path / "f.safetensors"))
    a, b = torch.rand(2, 3, 48, 64), torch.rand(2, 3, 48, 64)
    assert len(features(a)) == 1 + len(COMPARED)
    assert features.distance(a, a) == 0 and features.distance(a, b) > 0
    save_tensors({"features.0.weight": torch.zeros(1)}, tmp_path / "g.safetensors")
    with pytest.raises(UserError, match="holds no SqueezeNet"):
        Features(tmp_path / "g.safetensors")


def test_all_stages_go_through_and_leave_a_model_that_renders(data: Path, tmp_path: Path):
    run, frames = Run(tmp_path, 0), Frames(data, tmp_path / "frames")
    codec = train_codec(run, Stage("codec", (Phase(2, 2, (32, 48), 2),), 1e-3), frames)
    model = train_flow(run, Stage("flow", (Phase(2, 1, CROP, 2),), 1e-3), codec, frames)
    before = codec.picture.weight.clone()
    phases = Phase(1, 1, CROP, 2), Phase(1, 1, CROP, 2, "learns"), Phase(1, 1, CROP, 2, "judges")
    train_rollout(run, Stage("rollout", phases, 1e-3), model, codec, frames=frames,
                  features=Features(squeeze_net(tmp_path / "f.safetensors")))
    assert not torch.equal(codec.picture.weight, before)
    codec.save(tmp_path / "codec")
    model.half().save_pretrained(tmp_path / "transformer")
    chunks, noise = Chunks.load(tmp_path), np.zeros(Chunks.shape(*CROP), np.float32)
    pictures, _ = chunks.render(np.zeros((1, 4, 3, *CROP), np.float32), None, None, [noise])
    assert pictures.shape == (1, 4, 3, *CROP) and np.isfinite(pictures).all()


def test_roll_outs_are_on_whole_frames():
    for name in ("short", "tiny"):
        for stage in ("flow", "rollout"):
            assert {phase.crop for phase in STREAMING[name][stage].phases} == {(144, 256)}, (name, stage)
