"""Transformers in their authors' single-file layout."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan  # noqa: E402
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel  # noqa: E402
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel  # noqa: E402
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from realmaster.errors import UserError  # noqa: E402
from realmaster.models.large.folder import is_large  # noqa: E402
from realmaster.models.large.load import load_backbone  # noqa: E402
from tests.checkpoints import TEXT, make  # noqa: E402

WAN = (("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
       ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
       ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
       ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
       ("condition_embedder.time_proj", "time_projection.1"), ("attn1", "self_attn"), ("attn2", "cross_attn"),
       (".to_out.0.", ".o."), (".to_q.", ".q."), (".to_k.", ".k."), (".to_v.", ".v."), ("proj_out", "head.head"),
       ("ffn.net.0.proj", "ffn.0"), ("ffn.net.2", "ffn.2"), ("norm2", "norm?"), ("norm3", "norm2"), ("norm?", "norm3"))
LTX2 = (("audio_proj_in", "audio_patchify_proj"), ("proj_in", "patchify_proj"),
        ("av_cross_attn_video_scale_shift", "av_ca_video_scale_shift_adaln_single"),
        ("av_cross_attn_video_a2v_gate", "av_ca_a2v_gate_adaln_single"),
        ("av_cross_attn_audio_scale_shift", "av_ca_audio_scale_shift_adaln_single"),
        ("av_cross_attn_audio_v2a_gate", "av_ca_v2a_gate_adaln_single"), ("prompt_adaln.", "prompt_adaln_single."),
        ("time_embed", "adaln_single"),
        ("video_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_video"),
        ("audio_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_audio"),
        ("norm_q", "q_norm"), ("norm_k", "k_norm"))
LTX = (("proj_in", "patchify_proj"), ("time_embed", "adaln_single"), ("norm_q", "q_norm"), ("norm_k", "k_norm"))


def original(name: str, folder: Path) -> tuple[Path, torch.nn.Module]:
    """A model's folder whose transformer is one file by its authors' names, and that transformer."""
    make(name, folder)
    for file in (folder / "transformer").iterdir():
        file.unlink()
    if name == "ltx":
        model = LTXVideoTransformer3DModel(
            in_channels=8, out_channels=8, num_attention_heads=32, attention_head_dim=6, cross_attention_dim=192,
            num_layers=2, caption_channels=TEXT)
        renames, prefix = LTX, "model.diffusion_model."
    else:
        model = WanTransformer3DModel(num_attention_heads=1, attention_head_dim=128, in_channels=16, out_channels=16,
                                      text_dim=TEXT, freq_dim=32, ffn_dim=64, num_layers=2)
        renames, prefix = WAN, ""
    state = {}
    for key, value in model.state_dict().items():
        theirs = key
        for ours, authors in renames:
            theirs = theirs.replace(ours, authors)
        if name != "ltx":
            theirs = theirs.replace("scale_shift_table", "modulation")
            theirs = "head.modulation" if theirs == "modulation" else theirs
        state[prefix + theirs] = value.contiguous()
    save_file(state, folder / "transformer" / "model.safetensors")
    return folder, model


@pytest.mark.parametrize("later", [False, True], ids=["2.0", "2.3"])
def test_ltx2_is_taken_out_of_the_file_with_all_its_parts(later, tmp_path):
    folder = make("ltx2", tmp_path)
    for file in (folder / "transformer").iterdir():
        file.unlink()
    extra = {"gated_attn": True, "cross_attn_mod": True, "audio_gated_attn": True, "audio_cross_attn_mod": True,
             "use_prompt_embeddings": False} if later else {"caption_channels": TEXT}
    model = LTX2VideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=32, attention_head_dim=6, cross_attention_dim=192,
        num_layers=2, audio_in_channels=8, audio_out_channels=8, audio_num_attention_heads=32,
        audio_attention_head_dim=4, audio_cross_attention_dim=128, rope_type="split", **extra)
    state = {"vae.decoder.conv_in.conv.weight": torch.zeros(1),
             "model.diffusion_model.video_embeddings_connector.learnable_registers": torch.zeros(1)}
    for key, value in model.state_dict().items():
        theirs = key
        for ours, authors in LTX2:
            theirs = theirs.replace(ours, authors)
        state[f"model.diffusion_model.{theirs}"] = value.contiguous()
    file = folder / "transformer" / "ltx-2.safetensors"
    save_file(state, file)
    backbone = load_backbone(folder, torch.float32)
    loaded = backbone.experts[0].model
    assert backbone.family.name == "ltx2" and loaded.config.rope_type == "split"
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in model.state_dict().items())
    save_file(state, file, {"config": '{"transformer": {"rope_type": "interleaved"}}'})
    assert load_backbone(folder, torch.float32).experts[0].model.config.rope_type == "interleaved"
    save_file(state, file, {"config": "{"})
    with pytest.raises(UserError, match="is damaged"):
        load_backbone(folder, torch.float32)


@pytest.mark.parametrize("name", ["wan21", "ltx"])
def test_every_weight_finds_its_place(name, tmp_path):
    folder, model = original(name, tmp_path)
    backbone = load_backbone(folder, torch.float32)
    loaded = backbone.experts[0].model.state_dict()
    assert backbone.family.name == ("ltx" if name == "ltx" else "wan")
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[key], value) for key, value in model.state_dict().items())


WAN_VAE = (("norm_out", "head.0"), ("conv_out", "head.2"), ("mid_block.resnets.0", "middle.0"),
           ("mid_block.resnets.1", "middle.2"), ("mid_block.attentions.0", "middle.1"), (".norm1", ".residual.0"),
           (".conv1.w", ".residual.2.w"),
           (".conv1.b", ".residual.2.b"), (".norm2", ".residual.3"), (".conv2.", ".residual.6."),
           ("conv_shortcut", "shortcut"), ("down_blocks", "downsamples"))


def wans_own_name(key: str) -> str:
    """What Wan's authors call a weight of the autoencoder: blocks of the decoder counted through, four a stage."""
    top = key.replace("post_quant_conv", "conv2").replace("quant_conv", "conv1")
    if top != key:
        return top
    key = key.replace("conv_in.", "first.")
    for ours, theirs in WAN_VAE:
        key = key.replace(ours, theirs)
    parts = key.replace("first.", "conv1.").split(".")
    if "up_blocks" in parts:
        stage, kind, number = parts[2:5]
        parts[1:5] = ["upsamples", str(4 * int(stage) + (int(number) if kind == "resnets" else 3))]
    return ".".join(parts)


def test_wan21s_autoencoder_comes_as_one_file_too(tmp_path):
    folder, _ = original("wan21", tmp_path)
    for file in (folder / "vae").iterdir():
        file.unlink()
    model = AutoencoderKLWan(base_dim=8)
    save_file({wans_own_name(k): v.contiguous() for k, v in model.state_dict().items()},
              folder / "vae" / "Wan2.1_VAE.safetensors")
    (folder / "model_index.json").unlink()
    assert is_large(folder)
    loaded = load_backbone(folder, torch.float32).video.vae.state_dict()
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[key], value) for key, value in model.state_dict().items())
    save_file({"weight": torch.zeros(2)}, folder / "vae" / "Wan2.1_VAE.safetensors")
    with pytest.raises(UserError, match=r"needs vae/config\.json"):
        load_backbone(folder, torch.float32)


def test_in_half_precision_what_must_stay_whole_does(tmp_path):
    folder, _ = original("wan21", tmp_path)
    model = load_backbone(folder, torch.bfloat16).experts[0].model
    assert model.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert model.scale_shift_table.dtype == model.blocks[0].norm2.weight.dtype == torch.float32


def test_what_is_neither_is_refused(tmp_path):
    folder, _ = original("wan21", tmp_path)
    file = folder / "transformer" / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(UserError, match="no Wan, LTX-Video or LTX-2 transformer"):
        load_backbone(folder, torch.float32)
    file.write_bytes(b"cut short")
    with pytest.raises(UserError, match="copy it again"):
        load_backbone(folder, torch.float32)


def test_an_autoencoder_of_another_model_is_refused(tmp_path):
    make("wan22-5b", tmp_path / "five")
    folder = make("wan21", tmp_path / "wan")
    (folder / "vae").rename(folder / "old")
    (tmp_path / "five" / "vae").rename(folder / "vae")
    with pytest.raises(UserError, match=r"latents of 48 channels.*takes 16"):
        load_backbone(folder, torch.float32)
