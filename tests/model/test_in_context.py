"""In-context conditioning on tiny random weights, made here in the genuine file formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
from diffusers.models.transformers.transformer_wan import WanAttnProcessor, WanTransformer3DModel  # noqa: E402
from peft import LoraConfig  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from bridge.contract import ModelSpec, RenderSettings, Window  # noqa: E402
from realmaster.errors import UserError  # noqa: E402
from realmaster.models.families.wan import WAN  # noqa: E402
from realmaster.models.families.wan.tokens import WanTokens  # noqa: E402
from realmaster.models.large.in_context import InContext, Reference  # noqa: E402
from realmaster.models.large.tokens import Prompt  # noqa: E402
from realmaster.models.sampler import WindowBackend  # noqa: E402
from realmaster.models.tiny.autoencoder import LATENT_CHANNELS, TinyVAE  # noqa: E402
from realmaster.models.tiny.eager import TorchGraphs  # noqa: E402
from realmaster.models.tiny.export import export_tiny  # noqa: E402
from realmaster.models.tiny.exported import TinyExported  # noqa: E402
from realmaster.models.tiny.files import load_lora, load_transformer, null_prompt, read_recipe, save_lora  # noqa: E402
from trt_engines.manifest import EngineError, read_manifest, sha256  # noqa: E402

torch.set_num_threads(1)
WIDTH, HEIGHT, LENGTH = 64, 48, 13
PROMPT = Prompt(null_prompt(1))
SPEC = ModelSpec(model="tiny", width=WIDTH, height=HEIGHT, length=LENGTH, overlap=5)


def small_transformer() -> WanTransformer3DModel:
    torch.manual_seed(0)
    return WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS, text_dim=32, freq_dim=16, ffn_dim=48, num_layers=2, rope_max_seq_len=32).eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A whole checkpoint with random weights: VAE, base, and a LoRA that really changes things."""
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(1)
    vae = TinyVAE(narrow=16, wide=24)
    for layer in (vae.skip, vae.gain):
        torch.nn.init.normal_(layer.weight, std=0.02)
    vae.save(folder / "vae")
    model = small_transformer()
    model.half().save_pretrained(folder / "transformer")
    model.float().add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=list(WAN.lora_targets),
                                         init_lora_weights=False))
    save_lora(model, folder / "lora.safetensors", {"attention": "one_way", "rank": "4"})
    export_tiny(folder, folder / "onnx", WIDTH, HEIGHT, LENGTH)
    return folder


def latents(seed: int, batch: int = 1) -> Tensor:
    return torch.randn(batch, LATENT_CHANNELS, 3, 6, 8, generator=torch.Generator().manual_seed(seed))


class MaskedFull(WanAttnProcessor):
    """Both token sets in one pass: target tokens first, and the reference sees only itself."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, rotary_emb=None):
        if encoder_hidden_states is not None:
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, rotary_emb)
        tokens = hidden_states.shape[1]
        mask = torch.ones(tokens, tokens, dtype=torch.bool)
        mask[tokens // 2:, :tokens // 2] = False
        q, k, v = (p.unflatten(2, (attn.heads, -1)) for p in (
            attn.norm_q(attn.to_q(hidden_states)), attn.norm_k(attn.to_k(hidden_states)), attn.to_v(hidden_states)))
        cos, sin = rotary_emb

        def rotate(x):
            a, b = x[..., 0::2], x[..., 1::2]
            c, s = cos[..., 0::2], sin[..., 1::2]
            out = torch.empty_like(x)
            out[..., 0::2], out[..., 1::2] = a * c - b * s, a * s + b * c
            return out

        q, k = rotate(q), rotate(k)
        out = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask)
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


class SharedRope(torch.nn.Module):
    """Gives the reference the target's positions, where Wan's own would count on."""

    def __init__(self, rope):
        super().__init__()
        self.rope = rope

    def forward(self, x):
        cos, sin = self.rope(x[:, :, :x.shape[2] // 2])
        return torch.cat([cos, cos], 1), torch.cat([sin, sin], 1)


@torch.no_grad()
def test_the_cache_equals_one_masked_pass_in_shared_positions():
    """Exactly so, and not in the shifted positions that a plain concatenation would give."""
    target, reference, sigma = latents(0), latents(1), 0.7
    context = InContext(WanTokens(small_transformer()))
    cache = context.write(Reference(reference), PROMPT)
    cached = context.read(target, torch.tensor([1000 * sigma]), PROMPT, cache)

    def one_pass(shared: bool) -> Tensor:
        model = small_transformer()
        for block in model.blocks:
            block.attn1.set_processor(MaskedFull())
        if shared:
            model.rope = SharedRope(model.rope)
        tokens = 3 * 3 * 4
        timestep = torch.cat([torch.full((1, tokens), 1000 * sigma), torch.zeros(1, tokens)], 1)
        return model(torch.cat([target, reference], 2), timestep, null_prompt(1), return_dict=False)[0][:, :, :3]

    assert (cached - one_pass(shared=True)).abs().max() < 1e-5
    assert (cached - one_pass(shared=False)).abs().max() > 1e-3


@torch.no_grad()
def test_without_a_reference_it_is_the_stock_model():
    x, t = latents(2, batch=2), torch.tensor([300.0, 900.0])
    stock = small_transformer()(x, t, null_prompt(2), return_dict=False)[0]
    assert (InContext(WanTokens(small_transformer())).plain(x, t, PROMPT.batch(2)) - stock).abs().max() < 1e-6


@torch.no_grad()
def test_the_output_depends_on_the_reference():
    context, x, t = InContext(WanTokens(small_transformer())), latents(3), torch.tensor([500.0])
    first, second = (context.read(x, t, PROMPT, context.write(Reference(latents(n)), PROMPT)) for n in (4, 5))
    assert (first - second).abs().max() > 1e-3


@torch.no_grad()
def test_merging_the_lora_equals_running_it_beside(checkpoint):
    merged, beside = (load_transformer(checkpoint / "transformer") for _ in range(2))
    before = beside(latents(6), torch.tensor([500.0]), null_prompt(1), return_dict=False)[0]
    load_lora(merged, checkpoint / "lora.safetensors")
    load_lora(beside, checkpoint / "lora.safetensors", trainable=True)
    a, b = (m(latents(6), torch.tensor([500.0]), null_prompt(1), return_dict=False)[0] for m in (merged, beside))
    assert (a - b).abs().max() < 1e-5 < (a - before).abs().max()


def test_a_lora_trained_another_way_is_refused(checkpoint, tmp_path):
    assert read_recipe(checkpoint / "lora.safetensors") == {"attention": "one_way", "rank": "4"}
    model = load_transformer(checkpoint / "transformer")
    model.add_adapter(LoraConfig(r=4, target_modules=list(WAN.lora_targets)))
    other = tmp_path / "other.safetensors"
    save_lora(model, other, {"attention": "full"})
    with pytest.raises(UserError, match="'full'"):
        load_lora(load_transformer(checkpoint / "transformer"), other)
    other.write_bytes(b"not safetensors")
    with pytest.raises(UserError, match="copy it again"):
        load_lora(load_transformer(checkpoint / "transformer"), other)


@torch.no_grad()
def test_the_vae_keeps_to_its_grid_and_looks_back_only():
    vae = TinyVAE(16, 24).eval()
    for frames, count in ((1, 1), (5, 2), (13, 4)):
        video = torch.rand(1, frames, 3, 32, 48) * 2 - 1
        z = vae.encode(video)
        assert z.shape == (1, LATENT_CHANNELS, count, 4, 6)
        assert vae.decode(z, video).shape == video.shape
    z = torch.randn(1, LATENT_CHANNELS, 4, 4, 6)
    later = z.clone()
    later[:, :, 3] += 1
    a, b = vae.decode(z), vae.decode(later)
    assert torch.equal(a[:, :9], b[:, :9]) and not torch.equal(a[:, 9:], b[:, 9:])


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_onnx_equals_torch(checkpoint, steps):
    """The parity that the live default is held to: the same windows, within one grey level."""
    pixels = np.random.default_rng(0).integers(0, 256, (LENGTH, HEIGHT, WIDTH, 3), np.uint8)
    window = Window(sequence=0, segment=0, start=0, valid=LENGTH, continues=False, length=LENGTH, width=WIDTH,
                    height=HEIGHT, settings=RenderSettings(steps=steps))
    exported, torch_graphs = TinyExported(checkpoint / "onnx", 1, "-"), TorchGraphs(checkpoint, 1)
    onnx, eager = WindowBackend(exported, SPEC), WindowBackend(torch_graphs, SPEC)
    first, reference = onnx.render(window, pixels, None), eager.render(window, pixels, None)
    assert np.abs(first.carry.latents - reference.carry.latents).max() < 2e-3
    assert np.abs(np.array(first.frames, int) - np.array(reference.frames)).max() <= 1
    following = window.__class__(**{f: getattr(window, f) for f in window.__struct_fields__} | {"start": 8})
    a, b = onnx.render(following, pixels, first.carry), eager.render(following, pixels, reference.carry)
    assert np.abs(np.array(a.frames, int) - np.array(b.frames)).max() <= 1


def test_damaged_or_unlisted_graphs_are_refused(checkpoint, tmp_path):
    broken = tmp_path / "onnx"
    shutil.copytree(checkpoint / "onnx", broken)
    manifest = json.loads((broken / "manifest.json").read_text())
    others = {name: digest for name, digest in manifest["graphs"].items() if name != "write.onnx"}
    (broken / "manifest.json").write_text(json.dumps(manifest | {"graphs": others}))
    with pytest.raises(EngineError, match=r"does not name write\.onnx: remedy"):
        TinyExported(broken, 1, "remedy")
    (broken / "manifest.json").write_text(json.dumps(manifest))
    data = bytearray((broken / "read.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (broken / "read.onnx").write_bytes(data)
    with pytest.raises(EngineError, match=r"read\.onnx is damaged.*remedy"):
        TinyExported(broken, 1, "remedy")
    (broken / "read.onnx").unlink()
    with pytest.raises(EngineError, match=r"read\.onnx is missing"):
        TinyExported(broken, 1, "remedy")
    (broken / "manifest.json").write_text("{}")
    with pytest.raises(EngineError, match="damaged"):
        read_manifest(broken, "remedy")
    (broken / "manifest.json").unlink()
    with pytest.raises(EngineError, match="no manifest"):
        read_manifest(broken, "remedy")


def test_weights_outside_a_graph_are_not_read(checkpoint, tmp_path, monkeypatch):
    """The manifest's hash would not cover them; nor are they looked for where the program was started."""
    folder = tmp_path / "onnx"
    shutil.copytree(checkpoint / "onnx", folder)
    model = onnx.load(folder / "read.onnx")
    onnx.save_model(model, folder / "read.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["graphs"]["read.onnx"] = sha256(folder / "read.onnx")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert (folder / "weights.bin").stat().st_size > 0
    monkeypatch.chdir(folder)
    with pytest.raises(EngineError, match=r"read\.onnx does not load .*remedy"):
        TinyExported(folder, 1, "remedy")


def test_a_checkpoint_that_is_not_whole_is_refused(checkpoint, tmp_path):
    """Missing weights would be random ones, other ones with every load; a LoRA's would do nothing."""
    base, lora = tmp_path / "transformer", tmp_path / "lora.safetensors"
    weights = base / "diffusion_pytorch_model.safetensors"
    shutil.copytree(checkpoint / "transformer", base)
    rest = {key: value for key, value in load_file(weights).items() if "blocks.0.ffn.net.2" not in key}
    save_file(rest, weights, {"format": "pt"})
    with pytest.raises(UserError, match=r"it lacks 2 weights \(blocks\.0\.ffn\.net\.2\.bias"):
        load_transformer(base)
    weights.unlink()
    with pytest.raises(UserError, match=r"it lacks transformer/\*\.safetensors"):
        load_transformer(base)
    whole = load_file(checkpoint / "lora.safetensors")
    save_file({key: value for i, (key, value) in enumerate(whole.items()) if i}, lora, read_recipe(
        checkpoint / "lora.safetensors"))
    with pytest.raises(UserError, match="holds half of what"):
        load_lora(load_transformer(checkpoint / "transformer"), lora)
