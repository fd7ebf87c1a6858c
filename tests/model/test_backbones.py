"""In-context conditioning over the stock transformers of every large family, on tiny genuine checkpoints."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel  # noqa: E402
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel  # noqa: E402
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from realmaster.errors import UserError  # noqa: E402
from realmaster.models.large.attention import Context, Layer  # noqa: E402
from realmaster.models.large.in_context import InContext, Reference  # noqa: E402
from realmaster.models.large.load import Backbone, load_backbone  # noqa: E402
from realmaster.models.large.tokens import Prompt, to_latents, to_tokens  # noqa: E402
from realmaster.models.sampler import sigmas  # noqa: E402
from tests.checkpoints import MODELS, TEXT, make  # noqa: E402

SIZE = (3, 4, 6)


@pytest.fixture(scope="module", params=MODELS)
def backbone(request, tmp_path_factory) -> Backbone:
    folder = make(request.param, tmp_path_factory.mktemp("models") / request.param)
    return load_backbone(folder, torch.float32)


def latents(backbone: Backbone, seed: int, size: tuple[int, int, int] = SIZE, batch: int = 2) -> Tensor:
    return torch.randn(batch, backbone.video.channels, *size, generator=torch.Generator().manual_seed(seed))


def prompt(backbone: Backbone) -> Prompt:
    embeds = torch.randn(2, 5, TEXT, generator=torch.Generator().manual_seed(9))
    return Prompt(embeds, torch.tensor([[1.0] * 5, [1, 1, 1, 0, 0]]) if backbone.family != "wan" else None)


@torch.no_grad()
@pytest.mark.parametrize("reach", [None, 0, 1])
def test_cached_keys_and_values_equal_one_pass_over_all_tokens(backbone, reach):
    """Also for several references at once, one of them at half the size."""
    context, text, time = InContext(backbone.experts[0].tokens, reach), prompt(backbone), torch.tensor([700.0, 300.0])
    target, full, half = (latents(backbone, i, s) for i, s in enumerate((SIZE, SIZE, (3, 2, 4))))
    references = [Reference(full), Reference(half, 2)]
    for chosen in ([references[0]], references):
        cached = context.read(target, time, text, context.join([context.write(r, text) for r in chosen], SIZE[0]))
        one_way, both_ways = (context.joint(target, time, text, chosen, mode) for mode in ("one_way", "full"))
        assert (cached - one_way).abs().max() < 1e-5
        assert (one_way - both_ways).abs().max() > 1e-5
    assert (context.plain(target, time, text) - cached).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("reach", [0, 1])
def test_a_frame_reads_of_the_reference_what_is_within_reach(reach):
    """As one attention with a mask does it."""
    frames, target, small = 4, 3, 2
    context = Context(reach=reach, frames=frames)
    query, key, value = (torch.randn(2, frames * target, 2, 8) for _ in range(3))
    layer = Layer(context)
    layer.reference = torch.randn(2, frames * small, 2, 8), torch.randn(2, frames * small, 2, 8)
    at, of = (torch.arange(frames).repeat_interleave(n) for n in (target, small))
    mask = torch.cat([torch.ones(len(at), len(at), dtype=torch.bool), (at[:, None] - of).abs() <= reach], 1)
    keys, values = (torch.cat(pair, 1).transpose(1, 2) for pair in zip((key, value), layer.reference, strict=True))
    expected = scaled_dot_product_attention(query.transpose(1, 2), keys, values, attn_mask=mask).transpose(1, 2)
    assert (layer.attend(query, key, value) - expected).abs().max() < 1e-6


@torch.no_grad()
def test_it_is_the_stock_model_when_there_is_no_reference(backbone):
    model, text, time = backbone.experts[0].model, prompt(backbone), torch.tensor([700.0, 300.0])
    x = latents(backbone, 3)
    ours = InContext(backbone.experts[0].tokens).plain(x, time, text)
    assert (ours - stock(backbone, model, x, time, text)).abs().max() < 1e-5


def fresh(backbone: Backbone, trained: torch.nn.Module) -> torch.nn.Module:
    """A copy of a transformer that knows nothing of contexts."""
    model = type(trained).from_config(trained.config).eval()
    model.load_state_dict(trained.state_dict())
    return model


def call_ltx(model: torch.nn.Module, x: Tensor, coords: Tensor, time: Tensor, text: Prompt) -> Tensor:
    """The stock forward pass of LTX-Video or LTX-2 over latents (B, C, L, h, w), flattened."""
    tokens = x.flatten(2).transpose(1, 2)
    if isinstance(model, LTXVideoTransformer3DModel):
        return model(tokens, text.embeds, time, text.mask, video_coords=coords, return_dict=False)[0]
    sigma = time if time.ndim == 1 else time.amax(1)
    return model(tokens, torch.randn(2, 3, 8), text.embeds, torch.randn(2, 4, TEXT), time, sigma, sigma=sigma,
                 encoder_attention_mask=text.mask, audio_num_frames=3, video_coords=coords, isolate_modalities=True,
                 return_dict=False)[0]


def stock(backbone: Backbone, trained: torch.nn.Module, x: Tensor, time: Tensor, text: Prompt) -> Tensor:
    """A fresh copy of the model, called as its own pipeline calls it."""
    model = fresh(backbone, trained)
    if backbone.family.name == "wan":
        return model(x, time, text.embeds, return_dict=False)[0]
    return call_ltx(model, x, coords(backbone), time, text).transpose(1, 2).unflatten(2, SIZE)


def coords(backbone: Backbone) -> Tensor:
    """Seconds and pixels of each token, counted by hand: the first latent frame holds one frame, the others eight.

    LTX-Video counts where a token begins, LTX-2 the middle between there and its end.
    """
    middle = backbone.family.name == "ltx2"

    def seconds(frame: int) -> float:
        begins, ends = max(0, 8 * frame - 7) / 24, (8 * frame + 1) / 24
        return (begins + ends) / 2 if middle else begins

    half = 16 * middle
    rows = [(seconds(f), 32 * y + half, 32 * x + half) for f in range(3) for y in range(4) for x in range(6)]
    return torch.tensor(rows).T[None].expand(2, -1, -1).contiguous()


class CountedTwice(torch.nn.Module):
    """The rotary tables of one video, twice over: what a plain concatenation on the frame axis gets wrong."""

    def __init__(self, rope):
        super().__init__()
        self.rope = rope

    def forward(self, x):
        cos, sin = self.rope(x[:, :, :x.shape[2] // 2])
        return torch.cat([cos, cos], 1), torch.cat([sin, sin], 1)


@torch.no_grad()
def test_the_reference_stands_where_the_target_stands(backbone):
    """Mode full equals the stock model over both videos in shared positions, and no other."""
    text, time = prompt(backbone), torch.tensor([700.0, 300.0])
    target, reference = latents(backbone, 4), latents(backbone, 5)
    trained = backbone.experts[0].model
    ours = InContext(backbone.experts[0].tokens).joint(target, time, text, [Reference(reference)], "full")
    count = len(to_tokens(target, backbone.experts[0].tokens.patch)[0])
    times = torch.cat([time[:, None].expand(-1, count), torch.zeros(2, count)], 1)

    def theirs(shared: bool) -> Tensor:
        both, model = torch.cat([target, reference], 2), fresh(backbone, trained)
        if backbone.family.name == "wan":
            model.rope = CountedTwice(model.rope) if shared else model.rope
            return model(both, times, text.embeds, return_dict=False)[0][:, :, :3]
        here = coords(backbone)
        there = here if shared else here + torch.tensor([1.0, 0, 0])[:, None]
        out = call_ltx(model, both, torch.cat([here, there], 2), times, text)
        return out[:, :count].transpose(1, 2).unflatten(2, SIZE)

    assert (ours - theirs(shared=True)).abs().max() < 1e-5
    assert (ours - theirs(shared=False)).abs().max() > 1e-5


@torch.no_grad()
def test_a_frame_can_be_cleaner_than_the_others(backbone):
    context, text, x = InContext(backbone.experts[0].tokens), prompt(backbone), latents(backbone, 6)
    even = torch.tensor([[500.0] * 3] * 2)
    anchored = even.clone()
    anchored[:, 0] = 0
    same, spread, clean = (context.plain(x, t, text) for t in (torch.tensor([500.0, 500.0]), even, anchored))
    assert (spread - same).abs().max() < 1e-5 < (clean - same).abs().max()
    references = [Reference(latents(backbone, 7))]
    outs = [context.joint(x, t, text, references, "one_way") for t in (even, anchored)]
    assert (outs[0] - outs[1]).abs().max() > 1e-5


def test_tokens_and_back(backbone):
    x, patch = latents(backbone, 8), backbone.experts[0].tokens.patch
    tokens = to_tokens(x, patch)
    assert tokens.shape[1] == 3 * (4 // patch.height) * (6 // patch.width)
    assert torch.equal(to_latents(tokens, SIZE, patch), x)


def test_the_autoencoder_keeps_to_its_grid(backbone):
    time, spatial, _ = backbone.video.grid
    video = torch.rand(1, time + 1, 3, 2 * spatial, 3 * spatial) * 2 - 1
    z = backbone.video.encode(video)
    assert z.shape == (1, backbone.video.channels, *backbone.video.size(time + 1, 2 * spatial, 3 * spatial))
    assert backbone.video.decode(z).shape == video.shape


def test_latents_are_normalised_as_the_pipelines_do_it(backbone):
    video = torch.rand(1, backbone.video.grid[0] + 1, 3, 64, 64) * 2 - 1
    vae = backbone.video.vae
    raw = vae.encode(video.transpose(1, 2)).latent_dist.mode()
    if backbone.family.name == "wan":
        mean, std = torch.tensor(vae.config.latents_mean), torch.tensor(vae.config.latents_std)
    else:
        mean, std = vae.latents_mean, vae.latents_std / vae.config.scaling_factor
    expected = (raw - mean.view(1, -1, 1, 1, 1)) / std.view(1, -1, 1, 1, 1)
    assert (backbone.video.encode(video) - expected).abs().max() < 1e-5


def test_two_experts_share_the_timesteps(tmp_path):
    backbone = load_backbone(make("wan22-a14b", tmp_path), torch.float32)
    assert [expert.lowest for expert in backbone.experts] == [875.0, 0.0]
    assert backbone.shift(1000) == 3.0


def test_ltxs_schedule_shifts_with_the_sequence_as_diffusers_does_it(tmp_path):
    folder = make("ltx", tmp_path)
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_image_seq_len=1024, max_image_seq_len=4096, base_shift=0.95, max_shift=2.05)
    scheduler.save_pretrained(folder / "scheduler")
    shift = load_backbone(folder, torch.float32).shift(2048)
    scheduler.set_timesteps(sigmas=sigmas(4)[:-1], mu=0.95 + 1.1 / 3)
    assert torch.allclose(scheduler.sigmas, torch.tensor(sigmas(4, shift)), atol=1e-5)
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(scheduler.config, shift_terminal=0.1)
    scheduler.set_timesteps(sigmas=sigmas(4)[:-1], mu=0.95 + 1.1 / 3)
    assert torch.allclose(scheduler.sigmas, torch.tensor(sigmas(4, shift, 0.1)), atol=1e-5)


@pytest.mark.parametrize(("harm", "told"), [
    (lambda f: (f / "vae" / "config.json").unlink(), "vae/config.json"),
    (lambda f: [p.unlink() for p in (f / "transformer").glob("*.safetensors")], r"transformer/\*\.safetensors"),
    (lambda f: (f / "transformer" / "config.json").write_text("{"), "damaged"),
    (lambda f: (f / "transformer" / "config.json").write_text('{"_class_name": "Other"}'), "is a Other"),
    (lambda f: next((f / "transformer").glob("*.safetensors")).write_bytes(b"cut"), "does not load"),
    (lambda f: [p.rename(p.with_suffix(".bin")) for p in (f / "vae").glob("*.safetensors")], "never loaded"),
])
def test_what_is_wrong_with_a_folder_is_said(tmp_path, harm, told):
    make("wan21", tmp_path)
    harm(tmp_path)
    with pytest.raises(UserError, match=told):
        load_backbone(tmp_path, torch.float32)


def test_a_missing_shard_is_named(tmp_path):
    make("wan21", tmp_path)
    whole = next((tmp_path / "transformer").glob("*.safetensors"))
    index = whole.with_name("diffusion_pytorch_model.safetensors.index.json")
    index.write_text('{"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}')
    whole.rename(whole.with_name("part-1.safetensors"))
    with pytest.raises(UserError, match=r"lacks transformer/part-2\.safetensors\."):
        load_backbone(tmp_path, torch.float32)


def test_a_model_that_mixes_the_timestep_into_its_text_caches_nothing(tmp_path):
    """LTX-2.3: refused, with the reason; full is what it can do."""
    folder = make("ltx2", tmp_path)
    config = folder / "transformer" / "config.json"
    LTX2VideoTransformer3DModel.from_config(json.loads(config.read_text()) | {
        "cross_attn_mod": True, "audio_cross_attn_mod": True}).save_pretrained(folder / "transformer")
    backbone = load_backbone(folder, torch.float32)
    backbone.check_attention("full")
    with pytest.raises(UserError, match="attention mode full alone"):
        backbone.check_attention("one_way")
