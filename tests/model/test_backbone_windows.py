"""Large models as the product renders with them: prompt by window, anchors, noise levels, tiny autoencoders."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry  # noqa: E402
from msgspec.structs import replace  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from bridge.contract import RenderSettings, Window  # noqa: E402
from capture.frame import Buffer, Encoding, Frame, Kind, color_frame  # noqa: E402
from realmaster.config import Model  # noqa: E402
from realmaster.errors import UserError  # noqa: E402
from realmaster.evaluation.stream import stream  # noqa: E402
from realmaster.guides.packing import guides_of  # noqa: E402
from realmaster.models.large import memory  # noqa: E402
from realmaster.models.large.graphs import BackboneGraphs  # noqa: E402
from realmaster.models.large.in_context import Reading  # noqa: E402
from realmaster.models.large.load import load_backbone  # noqa: E402
from realmaster.models.large.lora.recipe import as_metadata  # noqa: E402
from realmaster.models.large.memory import free_gb, weights_gb  # noqa: E402
from realmaster.models.large.record import Recorder  # noqa: E402
from realmaster.models.large.tiny_video import TAEHV, TinyVideo  # noqa: E402
from realmaster.models.open import open_backend  # noqa: E402
from realmaster.models.sampler import Anchor, Carry, WindowBackend  # noqa: E402
from realmaster.stream.windows import Windower  # noqa: E402
from realmaster.training.large import add_lora, save_lora  # noqa: E402
from tests.checkpoints import make  # noqa: E402

torch.set_num_threads(1)
WIDTH, HEIGHT, LENGTH, OVERLAP = 64, 48, 13, 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make("wan21", tmp_path_factory.mktemp("models") / "wan21")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def backend(folder: Path, **settings: object) -> WindowBackend:
    """Without a LoRA: how the reference is read is not the point here."""
    opened = open_backend(Model(**{"model": str(folder), "attention": "full", "resolution": (WIDTH, HEIGHT),
                                   "length": LENGTH, "overlap": OVERLAP, "threads": 1, **settings}))
    assert isinstance(opened, WindowBackend)
    return opened


def window(start: int = 0, segment: int = 0, **settings: object) -> Window:
    return Window(sequence=0, segment=segment, start=start, valid=LENGTH, continues=start > 0, length=LENGTH,
                  width=WIDTH, height=HEIGHT, settings=RenderSettings(**settings))


FRAMES = [np.random.default_rng(i).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for i in range(LENGTH)]


def test_the_prompt_can_change_from_window_to_window(folder):
    model = backend(folder)
    assert model.spec.prompts
    silent, night, again = (model.render(window(prompt=text), FRAMES, None).frames[3]
                            for text in ("", "a street at night", ""))
    assert not np.array_equal(silent, night) and np.array_equal(silent, again)


def test_guidance_pulls_away_from_no_prompt(folder):
    def latents(guidance: float, text: str) -> np.ndarray:
        carry = backend(folder, guidance=guidance).render(window(prompt=text), FRAMES, None).carry
        assert isinstance(carry, Carry)
        return carry.latents

    silent, plain, guided = latents(1, ""), latents(1, "night"), latents(3, "night")
    assert np.allclose(guided, silent + 3 * (plain - silent), atol=1e-4)


def test_a_video_goes_on_from_its_anchor_and_windows_from_each_other(folder, tmp_path):
    cv2.imwrite(str(tmp_path / "first.png"), FRAMES[0][..., ::-1])
    model = backend(folder, anchor=tmp_path / "first.png")
    anchor = model.anchor
    assert isinstance(anchor, Anchor) and np.array_equal(anchor.picture, FRAMES[0])

    def first(picture: np.ndarray) -> np.ndarray:
        video = picture.astype(np.float32).transpose(2, 0, 1)[None, None] / 127.5 - 1
        return model.graphs.lower(anchor.encode(video))

    opening = model.render(window(steps=2), FRAMES, None)
    before = opening.carry
    assert isinstance(before, Carry) and before.picture is not None
    assert np.array_equal(before.latents[:, :, :1], first(FRAMES[0]))
    stride = LENGTH - OVERLAP
    assert np.array_equal(before.picture, opening.frames[stride])
    handed_on = model.unpack(model.pack(before))
    following = model.render(window(stride), FRAMES, handed_on).carry
    assert isinstance(following, Carry)
    assert np.array_equal(following.latents[:, :, :1], first(before.picture))
    after_cut = model.render(window(segment=1), FRAMES, None).carry
    assert isinstance(after_cut, Carry) and not np.array_equal(after_cut.latents[:, :, :1], first(FRAMES[0]))


def test_the_references_hold_can_be_loosened_in_full_attention_alone(folder):
    a, b, c = (np.stack(backend(folder, reference_strength=strength).render(window(), FRAMES, None).frames).astype(int)
               for strength in (1.0, 1.0, 0.3))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    with pytest.raises(UserError, match="it is for LoRAs of mode full"):
        backend(folder, attention="one_way", reference_strength=0.5)


def test_a_distilled_models_noise_levels_stand_in_for_the_steps(folder):
    model = backend(folder, sigmas=(1.0, 0.75, 0.25))
    assert model.graphs.levels(1) == [1.0, 0.75, 0.25, 0.0]
    with pytest.raises(UserError, match="fall from 1"):
        backend(folder, sigmas=(1.0, 0.5, 0.7))


def taehv(path: Path, *layout: object) -> Path:
    """Random weights in the genuine layout."""
    torch.manual_seed(0)
    save_file(TAEHV(*layout).state_dict(), path)
    return path


def test_a_tiny_autoencoder_stands_in_for_the_models_own(folder, tmp_path):
    path = taehv(tmp_path / "taew2_1.safetensors", 16, 1, (2, 2, 1), (1, 2, 2))
    own, tiny = (backend(folder, **more).render(window(), FRAMES, None) for more in ({}, {"tiny_vae": path}))
    assert len(tiny.frames) == LENGTH and tiny.frames[0].shape == (HEIGHT, WIDTH, 3)
    assert not np.array_equal(own.frames[5], tiny.frames[5])


@pytest.mark.parametrize(("layout", "grid"), [
    ((16, 1, (2, 2, 1), (1, 2, 2)), (4, 8, 8)), ((48, 2, (2, 2, 1), (1, 2, 2)), (4, 16, 16)),
    ((128, 4, (2, 2, 2), (2, 2, 2)), (8, 32, 32))])
def test_tiny_autoencoders_are_known_by_their_shapes(tmp_path, layout, grid):
    tiny = TinyVideo(taehv(tmp_path / "any.safetensors", *layout), torch.float32)
    latents = layout[0]
    assert (tiny.grid, tiny.channels) == (grid, latents)
    length, side = grid[0] + 1, grid[1] * 2
    video = torch.rand(1, length, 3, side, side) * 2 - 1
    z = tiny.encode(video)
    assert z.shape == (1, latents, 2, 2, 2) and tiny.decode(z).shape == video.shape


def test_a_tiny_autoencoder_that_is_none_or_another_models_is_refused(folder, tmp_path):
    with pytest.raises(UserError, match="is for another model"):
        backend(folder, tiny_vae=taehv(tmp_path / "a.safetensors", 48, 2, (2, 2, 1), (1, 2, 2)))
    (tmp_path / "b.safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="holds no TAEHV weights"):
        backend(folder, tiny_vae=tmp_path / "b.safetensors")


def test_eight_bit_weights_change_little_and_need_torchao(folder, monkeypatch):
    pytest.importorskip("torchao")
    plain, small = (backend(folder, precision=precision) for precision in ("bf16", "int8"))
    a, b = (np.stack(model.render(window(), FRAMES, None).frames).astype(int) for model in (plain, small))
    assert 0 < np.abs(a - b).mean() < 2
    with pytest.raises(UserError, match="do not go together"):
        backend(folder, precision="int8", low_memory=True)
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(UserError, match="pip install torchao"):
        backend(folder, precision="int8")


def test_the_kernels_of_attention_can_be_chosen(folder):
    native, other = (np.stack(backend(folder, kernels=name).render(window(), FRAMES, None).frames).astype(int)
                     for name in ("native", "_native_math"))
    assert np.abs(native - other).max() <= 1
    assert _AttentionBackendRegistry.get_active_backend()[0].value == "_native_math", "where ours ask, too"
    _AttentionBackendRegistry.set_active_backend(AttentionBackendName.NATIVE)
    for name, told in (("sage", "install `sageattention"), ("nonsense", "must be one of")):
        with pytest.raises(UserError, match=f"--kernels {name}: .*{told}"):
            backend(folder, kernels=name)


def test_what_will_not_fit_is_said_before_it_is_loaded(folder, monkeypatch):
    parts = [load_backbone(folder, torch.float32).experts[0].model, load_backbone(folder, torch.float32).video.vae]
    numbers = sum(p.numel() for part in parts for p in part.state_dict().values())
    assert weights_gb(folder, 4) == pytest.approx(4 * numbers / 1e9)
    assert 0.1 < free_gb("cpu") < 10_000
    monkeypatch.setattr(memory, "free_gb", lambda device: 3 * numbers / 1e9)
    with pytest.raises(UserError, match=r"GB in fp32, but only .* main memory are free: try --precision bf16"):
        backend(folder, precision="fp32")
    with pytest.raises(UserError, match="GB besides the weights, and only"):
        backend(folder, precision="bf16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_fp8_needs_a_gpu_that_multiplies_it(folder):
    pytest.importorskip("torchao")
    with pytest.raises(UserError, match=r"compute capability 8\.9"):
        backend(folder, precision="fp8")


def test_decoding_beside_the_next_window_changes_nothing(folder):
    video = np.stack([FRAMES[i % LENGTH] for i in range(30)])
    photos = []
    for pipelined in (False, True):
        model = backend(folder)
        model.pipelined = pipelined
        photos.append(np.stack(stream(model, video, RenderSettings(steps=2)).photos))
    assert photos[0].shape == video.shape and np.array_equal(*photos)


def test_guides_come_below_the_frames_and_are_read(folder, tmp_path):
    reading = Reading("one_way", reach=1, guides=True)
    backbone = load_backbone(folder, torch.float32)
    parameters = add_lora(model := backbone.experts[0].model, backbone.family)
    for p in parameters.values():
        torch.nn.init.normal_(p, std=0.05)
    save_lora(model, tmp_path / "lora.safetensors", backbone.family, as_metadata(reading))
    reader = backend(folder, attention="auto", lora=(str(tmp_path / "lora.safetensors"),))
    assert reader.spec.guides
    flat, steep = (frame_with(value) for value in (0.1, 0.9))
    windower = Windower(reader.spec)
    images = windower.push(flat) or windower.flush()[0].images
    assert images[0].shape == (2 * HEIGHT, WIDTH, 3) and np.array_equal(images[0][HEIGHT:], guides_of(flat))
    a, b, c, d = (reader.render(replace(window(), guides=True, trusted=trusted),
                                [np.concatenate([f, guides_of(g)]) for f in FRAMES], None).frames[3]
                  for trusted in (True, False) for g in (flat, steep))
    assert not np.array_equal(a, b) and a.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(c, d) and not np.array_equal(a, c), "guides that were found wrong are not read"
    with pytest.raises(UserError, match="also reads normals and depth"):
        windower.push(color_frame(1, 1, FRAMES[0]))


def frame_with(value: float) -> Frame:
    """A frame whose normals and depth are all of one value."""
    frame = color_frame(0, 0, FRAMES[0])
    shape = HEIGHT, WIDTH
    more = {Kind.NORMAL: Buffer(Encoding.WORLD_XYZ0, np.full((*shape, 4), value, np.float16)),
            Kind.DEPTH: Buffer(Encoding.INVERSE_Z, np.full((*shape, 1), value, np.float16))}
    return dataclasses.replace(frame, buffers={**frame.buffers, **more})


@pytest.mark.parametrize("attention", ["full", "one_way"])
def test_a_recorded_loop_reads_nothing_but_what_is_copied_into_place(folder, tmp_path, attention):
    """Prompts, seeds, overlaps, anchors, guidance and steps change between the runs; recordings serve all of them."""
    cv2.imwrite(str(tmp_path / "first.png"), FRAMES[0][..., ::-1])
    plain = backend(folder, attention=attention, guidance=2, anchor=tmp_path / "first.png")
    recorded = backend(folder, attention=attention, guidance=2, anchor=tmp_path / "first.png")
    graphs = recorded.graphs
    assert isinstance(graphs, BackboneGraphs)
    recorder = graphs._recorder = Recorder("cpu")
    carries: list[object] = [None, None]
    stride = LENGTH - OVERLAP
    for number, settings in enumerate([{}, {"prompt": "a street"}, {"seed": 3}, {"steps": 2, "seed": 4}, {"seed": 5}]):
        frames = FRAMES[number:] + FRAMES[:number]
        outs = [model.render(window(number * stride, **settings), frames, carry)
                for model, carry in zip((plain, recorded), carries, strict=True)]
        assert all(np.array_equal(a, b) for a, b in zip(outs[0].frames, outs[1].frames, strict=True))
        carries = [out.carry for out in outs]
    assert 1 < len(recorder._recordings) < 5


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for a CPU needs g++")
@pytest.mark.parametrize("attention", ["full", "one_way"])
def test_a_compiled_model_gives_the_same_pictures(folder, attention):
    frames = [np.stack(backend(folder, attention=attention, compile=compiled).render(window(steps=2), FRAMES, None)
                       .frames).astype(int) for compiled in (False, True)]
    assert np.abs(frames[0] - frames[1]).max() <= 1
