"""LoRA files that are damaged, or made for something else: one sentence each, and nothing is left out in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel  # noqa: E402
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from realmaster.errors import UserError  # noqa: E402
from realmaster.models.families.registry import families  # noqa: E402
from realmaster.models.large.lora.apply import apply  # noqa: E402
from realmaster.models.large.lora.fit import Fit, fit  # noqa: E402
from realmaster.models.large.lora.read import read_lora  # noqa: E402
from realmaster.models.large.lora.recipe import expert_by_name  # noqa: E402
from realmaster.models.large.open import _weighted  # noqa: E402

WIDTH, PLACE = 48, "blocks.0.self_attn.q"


def wan(layers: int = 2) -> Any:
    return WanTransformer3DModel(num_attention_heads=2, attention_head_dim=24, in_channels=4, out_channels=4,
                                 text_dim=16, freq_dim=32, ffn_dim=64, num_layers=layers, rope_max_seq_len=32)


def pair(place: str = PLACE, rank: int = 2, rows: int = WIDTH, columns: int = WIDTH) -> dict[str, Tensor]:
    return {f"{place}.lora_A.weight": torch.ones(rank, columns), f"{place}.lora_B.weight": torch.ones(rows, rank)}


def opened(path: Path, state: dict[str, Tensor], count: int = 1, family: str = "wan", **metadata: str) -> Fit:
    save_file(state, path, metadata=metadata or None)
    model = wan() if family == "wan" else LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=24, cross_attention_dim=48,
        num_layers=2, caption_channels=16)
    return fit(read_lora(path), [model] * count, families()[family])


@pytest.mark.parametrize(("state", "metadata", "told"), [
    ({}, {}, "is empty"),
    ({"blocks.0.attn1.to_q.weight": torch.ones(2, 2)}, {}, "is no LoRA but holds whole weights"),
    ({"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.ones(2, 2)}, {},
     "no LoRA for a video model, but lora_te.* text encoder"),
    (pair() | {f"{PLACE}.alpha": torch.tensor(float("nan"))}, {}, "NaN or infinite"),
    (pair() | {f"{PLACE}.alpha": torch.tensor(1e30)}, {}, r"5e\+29 times its strength"),
    (pair() | {f"{PLACE}.alpha": torch.tensor(0.0)}, {}, "alpha is 0"),
    (pair() | {f"{PLACE}.lora_A.weight": torch.full((2, WIDTH), torch.inf)}, {}, "NaN or infinite"),
    (pair(), {"lora_alpha": "nan"}, "'nan', which is no finite number"),
    (pair(), {"lora_alpha": "1e30"}, "times its strength"),
    (pair(), {"ss_network_alpha": "much"}, "'much', which is no finite number"),
    (pair(), {"lora_adapter_metadata": '{"transformer.lora_alpha": "NaN"}'}, "'NaN', which is no finite number"),
    (pair(), {"lora_adapter_metadata": '{"transformer.alpha_pattern": {"(a+)+b": 1}}'}, "no plain pattern"),
    (pair(), {"lora_adapter_metadata": "{"}, "is damaged"),
    (pair(), {"attention": "one_way", "reference_downscale_factor": "0"}, "0 times smaller"),
    (pair(), {"attention": "one_way", "reference_downscale_factor": "inf"}, "recipe .* is damaged"),
    ({f"{PLACE}.lora_A.weight": torch.ones(2, WIDTH)}, {}, r"half of what blocks\.0"),
    ({f"{PLACE}.alpha": torch.tensor(1.0)}, {}, "an alpha for .* and nothing else"),
    (pair() | pair(f"diffusion_model.{PLACE}"), {}, "says twice"),
    (pair() | pair("transformer.blocks.0.attn1.to_q"), {}, "says twice"),
    ({f"{PLACE}.lokr_w1": torch.ones(2, 2), f"{PLACE}.lokr_w2": torch.ones(2, 2)}, {}, "is an adapter of kind LoKr"),
    ({f"lora_unet_blocks_0_ffn_0.{n}": torch.ones(2, 2) for n in ("hada_w1_a", "hada_w1_b")}, {}, "kind LoHa"),
    ({f"{PLACE}.oft_R.weight": torch.ones(2, 4)}, {}, "kind OFT .*: take one that was trained as a plain LoRA"),
    (pair() | pair("blocks.0.cross_attn.k_img"), {}, "is an image-to-video LoRA: .* take its text-to-video version"),
    (pair("blocks.39.self_attn.q"), {}, r"40 blocks or more \(as wan2.1-14b and wan2.2-a14b\), and this one has 2"),
    (pair(rows=1536, columns=1536), {}, r"another size of Wan: .*1536 x 1536 \(as wan2.1-1.3b\), this model 48 x 48"),
    (pair("transformer.transformer_blocks.0.attn1.to_q"), {}, "a LoRA for LTX-Video or LTX-2, and this model is Wan"),
    (pair("transformer.single_transformer_blocks.0.attn.to_q"), {}, "is a LoRA for Flux or HunyuanVideo"),
    (pair("lora_unet_down_blocks_0_attentions_0_proj_in"), {}, "is a LoRA for Stable Diffusion"),
    (pair("blocks.0.self_attn.other"), {}, r"has no blocks\.0\.self_attn\.other \(1 such place"),
    ({"blocks.0.norm1.diff_b": torch.ones(48)}, {}, "has no blocks.0.norm1"),
    (pair("transformer_2.blocks.0.attn1.to_q"), {}, "for transformer_2, which this model has not")])
def test_it_is_refused_with_one_sentence(tmp_path, state, metadata, told):
    with pytest.raises(UserError, match=told) as error:
        opened(tmp_path / "x.safetensors", state, **metadata)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


def test_a_wan_lora_is_not_taken_for_ltxs(tmp_path):
    with pytest.raises(UserError, match="is a LoRA for Wan, and this model is LTX-Video"):
        opened(tmp_path / "x.safetensors", pair("diffusion_model.blocks.0.self_attn.q"), family="ltx")


def test_what_is_not_used_is_named_with_the_reason(tmp_path):
    more = {f"lora_te_layers_{i}.lora_down.weight": torch.ones(2, 2) for i in range(9)} | {"marker": torch.ones(1)}
    notes = opened(tmp_path / "x.safetensors", pair() | more).notes
    assert any("9 tensors are left out" in n and n.count("lora_te") == 3 and "text encoder" in n for n in notes)
    assert any("1 tensors are left out (marker)" in n for n in notes)


@pytest.mark.parametrize(("name", "expert"), [
    ("wan2.2_t2v_A14b_high_noise_lora_rank64", "transformer"), ("Wan22-Lightning_LOW_rank64", "transformer_2"),
    ("style-low", "transformer_2"), ("HighNoise", "transformer"), ("high_quality", None), ("slow", None),
    ("lora.high.quality", None)])
def test_the_halves_of_a_pair_are_told_apart(tmp_path, name, expert):
    assert expert_by_name(Path(name + ".safetensors")) == expert
    found = opened(tmp_path / f"{name}.safetensors", pair(), count=2)
    assert [bool(changes) for changes in found.experts] == [expert != "transformer_2", expert != "transformer"]
    assert "expert" in found.notes[0]


def test_prefixes_and_metadata_tell_experts_too(tmp_path):
    both = pair("pipe.dit.blocks.0.self_attn.q") | pair("pipe.dit2.blocks.1.self_attn.q")
    found = opened(tmp_path / "high_noise.safetensors", both, count=2)
    assert [list(changes) for changes in found.experts] == [["blocks.0.attn1.to_q"], ["blocks.1.attn1.to_q"]]
    found = opened(tmp_path / "high_noise.safetensors", pair(), count=2, expert="transformer_2")
    assert [bool(changes) for changes in found.experts] == [False, True]


@pytest.mark.parametrize("text", ["x:1e30", "x:nan", "x:-inf", "x:101"])
def test_an_absurd_weight_is_refused(text):
    with pytest.raises(UserError, match="a weight is a number from -100 to 100"):
        _weighted(text)


def test_weights_may_be_negative_and_files_may_have_colons(tmp_path):
    assert _weighted("x:-0.5") == (Path("x"), -0.5) and _weighted("x:1e-2") == (Path("x"), 0.01)
    assert _weighted("take:one") == (Path("take:one"), 1.0)
    (tmp_path / "x:2").touch()
    assert _weighted(f"{tmp_path}/x:2") == (tmp_path / "x:2", 1.0)


def test_weights_that_overflow_are_refused(tmp_path):
    model = wan().half()
    save_file({k: v * 1000 for k, v in pair().items()}, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="no longer finite"):
        apply([model], [fit(read_lora(tmp_path / "x.safetensors"), [model], families()["wan"])])


def test_a_dora_is_not_kept_beside_the_weights(tmp_path):
    found = opened(tmp_path / "x.safetensors", pair() | {f"{PLACE}.dora_scale": torch.ones(WIDTH, 1)})
    with pytest.raises(UserError, match="leave --lora-mode live out"):
        apply([wan()], [found], "live")


def test_a_missing_shard_is_told(tmp_path):
    save_file(pair(), tmp_path / "x-00001-of-00003.safetensors")
    with pytest.raises(UserError, match="one of 3 parts, of which 1 are there"):
        read_lora(tmp_path / "x-00001-of-00003.safetensors")
    save_file(pair(), tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="holds 2 safetensors files: name"):
        read_lora(tmp_path)
