"""Tiny random-weight checkpoints of the large models, in the genuine classes and folder layout.

`python -m tests.checkpoints wan21 FOLDER` writes one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

TEXT = 16
WORDS = ("<pad>", "</s>", "<unk>", "a", "street", "at", "night", "photograph")


def _text(folder: Path, kind: str) -> None:
    size = {"vocab_size": len(WORDS), "d_model": TEXT, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    encoder = UMT5EncoderModel(UMT5Config(**size)) if kind == "umt5" else T5EncoderModel(T5Config(**size))
    encoder.save_pretrained(folder / "text_encoder")
    _tokenizer(folder)


def _tokenizer(folder: Path) -> None:
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))  # noqa: S106
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>",  # noqa: S106
                            unk_token="<unk>").save_pretrained(folder / "tokenizer")  # noqa: S106


def _wan_transformer(channels: int) -> WanTransformer3DModel:
    """Twice as wide as a token has numbers, 2 x 2 of each channel: one that is too narrow cannot even pass noise on."""
    return WanTransformer3DModel(
        num_attention_heads=channels // 3, attention_head_dim=24, in_channels=channels, out_channels=channels,
        text_dim=TEXT, freq_dim=32, ffn_dim=8 * channels, num_layers=2, rope_max_seq_len=128)


def _index(folder: Path, pipeline: str, **more: object) -> None:
    """Names the class of every part, as a pipeline's own `save_pretrained` does."""
    parts = {"tokenizer": ["transformers", "PreTrainedTokenizerFast"]}
    for part in ("text_encoder", "transformer", "transformer_2", "vae", "scheduler"):
        file = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        if file.exists():
            facts = json.loads(file.read_text())
            parts[part] = (["transformers", facts["architectures"][0]] if part == "text_encoder"
                           else ["diffusers", facts["_class_name"]])
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline, **parts, **more}))


def wan21(folder: Path) -> None:
    """Wan2.1-T2V: 16 latent channels, 8 x 8 x 4."""
    _wan_transformer(16).save_pretrained(folder / "transformer")
    AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 1, 2, 2], num_res_blocks=1).save_pretrained(folder / "vae")
    UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True,
                            flow_shift=3.0).save_pretrained(folder / "scheduler")
    _text(folder, "umt5")
    _index(folder, "WanPipeline")


def wan22_a14b(folder: Path) -> None:
    """Wan2.2-T2V-A14B: two experts and the boundary between them."""
    wan21(folder)
    _wan_transformer(16).save_pretrained(folder / "transformer_2")
    _index(folder, "WanPipeline", boundary_ratio=0.875)


def wan22_5b(folder: Path) -> None:
    """Wan2.2-TI2V-5B: 48 latent channels, 16 x 16 x 4."""
    _wan_transformer(48).save_pretrained(folder / "transformer")
    statistics = {"latents_mean": [0.0] * 48, "latents_std": [1.0] * 48}
    AutoencoderKLWan(base_dim=4, decoder_base_dim=4, z_dim=48, dim_mult=[1, 1, 2, 2], num_res_blocks=1,
                     is_residual=True, patch_size=2, in_channels=12, out_channels=12, scale_factor_spatial=16,
                     **statistics).save_pretrained(folder / "vae")
    UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True,
                            flow_shift=5.0).save_pretrained(folder / "scheduler")
    _text(folder, "umt5")
    _index(folder, "WanPipeline", expand_timesteps=True)


def ltx(folder: Path) -> None:
    """LTX-Video: 128 channels, 32 x 32 x 8; here 8."""
    LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=24, cross_attention_dim=48,
        num_layers=2, caption_channels=TEXT).save_pretrained(folder / "transformer")
    AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1, 1)).save_pretrained(folder / "vae")
    FlowMatchEulerDiscreteScheduler(shift=1.0).save_pretrained(folder / "scheduler")
    _text(folder, "t5")
    _index(folder, "LTXPipeline")


def ltx2(folder: Path) -> None:
    """LTX-2: picture and sound; a Gemma 3 text encoder and connectors."""
    LTX2VideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=24, cross_attention_dim=48,
        num_layers=2, caption_channels=TEXT, audio_in_channels=8, audio_out_channels=8, audio_num_attention_heads=2,
        audio_attention_head_dim=12, audio_cross_attention_dim=24).save_pretrained(folder / "transformer")
    AutoencoderKLLTX2Video(
        latent_channels=8, block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1), spatial_compression_ratio=32,
        temporal_compression_ratio=8).save_pretrained(folder / "vae")
    FlowMatchEulerDiscreteScheduler(shift=1.0).save_pretrained(folder / "scheduler")
    text = {"vocab_size": len(WORDS), "hidden_size": TEXT, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 28, "patch_size": 14}
    Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
                                   ).save_pretrained(folder / "text_encoder")
    _tokenizer(folder)
    LTX2TextConnectors(
        caption_channels=TEXT, text_proj_in_factor=2, video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=8, video_connector_num_layers=1, audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=8, audio_connector_num_layers=1).save_pretrained(folder / "connectors")
    _index(folder, "LTX2Pipeline", connectors=["ltx2", "LTX2TextConnectors"])


MODELS: dict[str, Callable[[Path], None]] = {"wan21": wan21, "wan22-a14b": wan22_a14b, "wan22-5b": wan22_5b,
                                             "ltx": ltx, "ltx2": ltx2}


def make(name: str, folder: Path) -> Path:
    """Writes the checkpoint `name` into `folder`."""
    torch.manual_seed(0)
    MODELS[name](folder)
    return folder


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in MODELS or len(sys.argv) != 3:
        sys.exit(f"usage: python -m tests.checkpoints {{{','.join(MODELS)}}} FOLDER")
    make(sys.argv[1], Path(sys.argv[2]))
