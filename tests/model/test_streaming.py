"""The streaming model: group by group is the same as whole, as trained, and from a packed past."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from bridge.contract import RenderSettings, Window  # noqa: E402
from realmaster.evaluation.stream import stream  # noqa: E402
from realmaster.models.tiny.causal import Causal, new_transformer  # noqa: E402
from realmaster.models.tiny.chunks import ChunkBackend, Chunks  # noqa: E402
from realmaster.models.tiny.codec import Codec, whole_tokens  # noqa: E402
from realmaster.training.frames import Batch  # noqa: E402
from realmaster.training.streaming import parallel_slots, rollout  # noqa: E402

torch.set_num_threads(1)
HEIGHT, WIDTH, GROUPS = 48, 64, 4
CLOSE = 1e-5


@pytest.fixture(scope="module")
def model() -> Chunks:
    """Random weights, all of which matter: what starts at zero is given values."""
    torch.manual_seed(0)
    codec, transformer = Codec(narrow=16, wide=24), new_transformer()
    for parameter in codec.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return Chunks(codec.eval(), Causal(transformer.eval()))


def videos() -> tuple[Tensor, Tensor, list[np.ndarray]]:
    """A game (1, 16, 3, 48, 64), its guides at half the size, and noise for every group."""
    made = torch.Generator().manual_seed(1)
    game = torch.rand(1, 4 * GROUPS, 3, HEIGHT, WIDTH, generator=made) * 2 - 1
    guides = torch.rand(1, 4 * GROUPS, 3, HEIGHT // 2, WIDTH // 2, generator=made) * 2 - 1
    noises = [torch.randn(Chunks.shape(HEIGHT, WIDTH), generator=made).numpy() for _ in range(GROUPS)]
    return game, guides, noises


def close(a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> None:
    difference = float(np.abs(np.asarray(a) - np.asarray(b)).max())
    assert difference <= CLOSE * max(1.0, float(np.abs(np.asarray(b)).max())), difference


@torch.no_grad()
def test_a_video_is_coded_group_by_group_as_it_is_whole(model: Chunks):
    game, _, _ = videos()
    whole = model.codec.see(game)
    pictures, _ = model.codec.show(whole.latent, whole, game)
    seen = shown = None
    for i in range(GROUPS):
        part = game[:, 4 * i:4 * i + 4]
        group = model.codec.see(part, seen)
        out, shown = model.codec.show(group.latent, group, part, shown)
        seen = group.past
        close(group.latent, whole.latent[:, i:i + 1])
        close(out, pictures[:, 4 * i:4 * i + 4])


@pytest.mark.parametrize("guided", [False, True])
@torch.no_grad()
def test_one_pass_with_the_block_causal_mask_equals_group_by_group(model: Chunks, guided: bool):
    game, guides, noises = videos()
    past, latents = None, []
    for i in range(GROUPS):
        part = slice(4 * i, 4 * i + 4)
        _, past = model.render(game[:, part].numpy(), guides[:, part].numpy() if guided else None, past,
                               noises[i:i + 1])
        latents.append(past.history[0].latent)
    own = torch.stack(latents, 1)
    reference, marks = model.codec.see(game).latent, model.codec.see(whole_tokens(guides)).latent
    slots = parallel_slots(model.causal, reference, own, marks, torch.tensor([guided]))
    noise = torch.from_numpy(np.concatenate(noises))
    close(model.causal.read(noise, torch.ones(GROUPS), reference[0], slots), own[0])


@pytest.mark.parametrize("steps", [1, 2])
@torch.no_grad()
def test_training_rolls_out_what_is_rendered(model: Chunks, steps: int):
    game, guides, _ = videos()
    torch.manual_seed(3)
    trained = rollout(model.causal, model.codec, Batch(game, game, guides, torch.zeros(0)), torch.tensor([True]), steps)
    torch.manual_seed(3)
    noises = [torch.randn(Chunks.shape(HEIGHT, WIDTH)).numpy() for _ in range(GROUPS)]
    rendered, _ = model.render(game.numpy(), guides.numpy(), None, noises, steps)
    close(rendered, trained)


def test_every_part_of_the_past_matters(model: Chunks):
    game, _, noises = videos()
    _, past = model.render(game[:, :8].numpy(), None, None, noises[:2])
    packed = model.pack(past)
    expected, _ = model.render(game[:, 8:12].numpy(), None, past, noises[2:3])
    for name in packed:
        other = model.unpack(packed | {name: packed[name] + 1})
        changed, _ = model.render(game[:, 8:12].numpy(), None, other, noises[2:3])
        assert np.abs(changed - expected).max() > CLOSE, name


@pytest.mark.parametrize("guided", [False, True])
def test_it_goes_on_from_a_packed_past_with_the_same_bits(model: Chunks, guided: bool):
    game, guides, noises = videos()
    given = guides.numpy() if guided else None
    whole, _ = model.render(game.numpy(), given, None, noises)
    _, past = model.render(game[:, :8].numpy(), None if given is None else given[:, :8], None, noises[:2])
    again = model.unpack(model.pack(past))
    rest, _ = model.render(game[:, 8:].numpy(), None if given is None else given[:, 8:], again, noises[2:])
    assert np.array_equal(rest, whole[:, 8:])


def test_windows_that_continue_each_other_are_the_same_however_they_are_cut(model: Chunks):
    video = np.random.default_rng(0).integers(0, 256, (4 * GROUPS, HEIGHT, WIDTH, 3), np.uint8)
    look = RenderSettings(steps=1, seed=7)
    short, long = (stream(ChunkBackend(model, (WIDTH, HEIGHT), length), video, look) for length in (4, 8))
    assert np.array_equal(short.photos, long.photos) and np.shape(short.photos) == video.shape
    part = stream(ChunkBackend(model, (WIDTH, HEIGHT)), video[:6], look).photos
    assert len(part) == 6 and np.array_equal(part[:4], short.photos[:4]), "a last group may be short"


def test_guides_that_are_not_trusted_are_not_read(model: Chunks):
    backend = ChunkBackend(model, (WIDTH, HEIGHT), guides=True)
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (2 * HEIGHT, WIDTH, 3), np.uint8) for _ in range(4)]

    def render(trusted: bool, pixels: list[np.ndarray]) -> np.ndarray:
        window = Window(sequence=0, segment=0, start=0, valid=4, continues=False, length=4, width=WIDTH, height=HEIGHT,
                        guides=True, trusted=trusted, settings=RenderSettings())
        return np.array(backend.render(window, pixels, None).frames)

    other = [np.concatenate([frame[:HEIGHT], 255 - frame[HEIGHT:]]) for frame in frames]
    assert np.array_equal(render(False, frames), render(False, other))
    assert not np.array_equal(render(True, frames), render(True, other))


@torch.no_grad()
def test_a_key_that_is_turned_is_as_if_written_earlier(model: Chunks):
    tokens, rope = model.causal.tokens, model.causal.tokens.model.rope.rope
    key = torch.randn(1, 1, 1, rope.attention_head_dim)
    written = [_rotated(key, rope, frame) for frame in range(4)]
    close(tokens.earlier(written[3], 2), written[1])


def _rotated(key: Tensor, rope: Any, frame: int) -> Tensor:
    """A key at a frame, third row and fourth column, as Wan rotates it."""
    cos, sin = (torch.cat([part[at] for part, at in zip(table.split([rope.t_dim, rope.h_dim, rope.w_dim], 1),
                                                        (frame, 2, 3), strict=True)])
                for table in (rope.freqs_cos, rope.freqs_sin))
    turned = torch.stack([-key[..., 1::2], key[..., 0::2]], -1).flatten(-2)
    return key * cos + turned * sin
