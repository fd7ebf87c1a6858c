"""Autoencoders that go on from window to window: together the same as one long video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from bridge.contract import RenderSettings, Window  # noqa: E402
from realmaster.config import Model  # noqa: E402
from realmaster.errors import UserError  # noqa: E402
from realmaster.evaluation.stream import stream  # noqa: E402
from realmaster.models.large.graphs import BackboneGraphs  # noqa: E402
from realmaster.models.large.load import load_backbone  # noqa: E402
from realmaster.models.large.stream import Past  # noqa: E402
from realmaster.models.large.tiny_video import TAEHV, TinyVideo  # noqa: E402
from realmaster.models.open import open_backend  # noqa: E402
from realmaster.models.sampler import Carry, WindowBackend  # noqa: E402
from realmaster.stream.workers import RayLink  # noqa: E402
from tests.checkpoints import make  # noqa: E402

torch.set_num_threads(1)
WIDTH, HEIGHT, LENGTH, OVERLAP = 64, 64, 13, 5
STRIDE, WINDOWS = LENGTH - OVERLAP, 3
TINY = {"ltx": (8, 4, (2, 2, 2), (2, 2, 2)), "wan21": (16, 1, (2, 2, 1), (1, 2, 2)),
        "wan22-5b": (48, 2, (2, 2, 1), (1, 2, 2))}
VIDEO = np.random.default_rng(0).integers(0, 255, (STRIDE * WINDOWS + OVERLAP, HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {name: make(name, tmp_path_factory.mktemp("models") / name) for name in TINY}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def tiny_vae(name: str, folder: Path) -> Path:
    torch.manual_seed(0)
    save_file(TAEHV(*TINY[name]).state_dict(), folder / "taehv.safetensors")
    return folder / "taehv.safetensors"


def backend(folder: Path, **settings: object) -> WindowBackend:
    defaults = {"model": str(folder), "attention": "full", "resolution": (WIDTH, HEIGHT), "length": LENGTH,
                "overlap": OVERLAP, "threads": 1, "streaming_vae": True}
    opened = open_backend(Model(**{**defaults, **settings}))
    assert isinstance(opened, WindowBackend)
    return opened


def chunks(model: WindowBackend, between=lambda carry: carry) -> list[tuple[Carry, list[np.ndarray]]]:
    """Each window's carry and frames; the carry goes through `between` on its way to the next window."""
    carry, done = None, []
    for start in range(0, WINDOWS * STRIDE, STRIDE):
        window = Window(sequence=0, segment=0, start=start, valid=LENGTH, continues=start > 0, length=LENGTH,
                        width=WIDTH, height=HEIGHT, settings=RenderSettings(steps=2))
        out = model.render(window, list(VIDEO[start:start + LENGTH]), carry)
        frames = list(out.frames)
        assert isinstance(out.carry, Carry)
        carry = between(out.carry)
        done.append((out.carry, frames))
    return done


def joined(parts: list[torch.Tensor]) -> torch.Tensor:
    """The latents of the whole stream: each window's without its own first one and those it shares."""
    shared = (OVERLAP - 1) // 4
    return torch.cat([parts[0], *(part[:, :, 1 + shared:] for part in parts[1:])], 2)


@pytest.mark.parametrize("name", ["wan21", "wan22-5b"])
def test_wan_in_parts_is_the_stock_autoencoder_on_the_whole(folders, name):
    coder = load_backbone(folders[name], torch.float32).video
    video = torch.rand(1, 17, 3, HEIGHT, WIDTH) * 2 - 1
    first, features = coder.encode_on(video[:, :9], None)
    second, features = coder.encode_on(video[:, 9:13], features)
    third, _ = coder.encode_on(video[:, 13:], features)
    latents = coder.encode(video)
    assert torch.allclose(torch.cat([first, second, third], 2), latents, atol=1e-5)
    first, features = coder.decode_on(latents[:, :, :2], None)
    second, _ = coder.decode_on(latents[:, :, 2:], features)
    assert torch.allclose(torch.cat([first, second], 1), coder.decode(latents), atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_taehv_decodes_in_parts_as_on_the_whole(tmp_path, name):
    coder = TinyVideo(tiny_vae(name, tmp_path), torch.float32)
    latents = torch.randn(1, coder.channels, 5, 2, 2)
    first, features = coder.decode_on(latents[:, :, :2], None)
    second, _ = coder.decode_on(latents[:, :, 2:], features)
    assert torch.allclose(torch.cat([first, second], 1), coder.decode(latents), atol=1e-5)


@pytest.mark.parametrize("name", ["wan21", "wan22-5b"])
def test_windows_are_parts_of_one_long_video(folders, name):
    """The reference is that of the whole clip, and the picture that of the whole stream of latents."""
    model = backend(folders[name])
    done = chunks(model)
    assert isinstance(model.graphs, BackboneGraphs)
    coder = model.graphs.backbone.video
    references = [carry.past.references[0] for carry, _ in done if isinstance(carry.past, Past)]
    whole = model.graphs.encode(VIDEO.astype(np.float32).transpose(0, 3, 1, 2)[None] / 127.5 - 1)
    assert torch.allclose(joined(references), whole, atol=1e-4)
    shared = (OVERLAP - 1) // 4
    assert torch.equal(references[1][:, :, 1:1 + shared], references[0][:, :, -shared:])
    pictures = coder.decode(joined([torch.from_numpy(carry.latents) for carry, _ in done]))
    expected = ((pictures[0].permute(0, 2, 3, 1).numpy() + 1) * 127.5).clip(0, 255)
    shown = np.concatenate([done[0][1], *(frames[OVERLAP:] for _, frames in done[1:])])
    assert np.abs(shown - expected).max() <= 0.51
    assert np.array_equal(done[0][1][STRIDE:], done[1][1][:OVERLAP])


def test_shared_latents_are_the_first_windows_own(folders):
    (first, _), (second, _), _ = chunks(backend(folders["wan21"]))
    shared = (OVERLAP - 1) // 4
    assert np.allclose(second.latents[:, :, 1:1 + shared], first.latents[:, :, -shared:], atol=1e-6)


@pytest.mark.parametrize("tiny", [False, True])
def test_a_render_that_was_killed_goes_on_with_the_same_bits(folders, tmp_path, tiny):
    model = backend(folders["wan21"], **({"tiny_vae": tiny_vae("wan21", tmp_path)} if tiny else {}))
    straight, stored = chunks(model), chunks(model, lambda carry: model.unpack(model.pack(carry)))
    for (_, a), (_, b) in zip(straight, stored, strict=True):
        assert np.array_equal(a, b)


def test_ltx_needs_a_tiny_autoencoder(folders, tmp_path):
    windows = {"length": 17, "overlap": 1}
    with pytest.raises(UserError, match="looks at frames to come"):
        backend(folders["ltx"], **windows)
    model = backend(folders["ltx"], tiny_vae=tiny_vae("ltx", tmp_path), **windows)
    kept = stream(model, VIDEO[:, :32, :32], RenderSettings())
    assert len(kept.photos) == len(VIDEO) and kept.seams == [0.0]


def test_nothing_is_left_to_blend(folders):
    kept, apart = (stream(backend(folders["wan21"], streaming_vae=on), VIDEO, RenderSettings()) for on in (True, False))
    assert len(kept.photos) == len(apart.photos) == len(VIDEO)
    assert kept.seams == [0.0] and max(apart.seams) > 0


def test_what_does_not_go_with_it_is_refused(folders):
    with pytest.raises(UserError, match="take one of them"):
        backend(folders["wan21"], low_memory=True)
    with pytest.raises(UserError, match="leave --workers out"):
        RayLink(Model(streaming_vae=True), 2)
