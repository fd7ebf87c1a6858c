"""Weights in their original single-file layout: FOLDER/transformer/ANY.safetensors without a config.json, and vae/.

That is how Wan's and LTX's authors and ComfyUI keep them. What diffusers' configuration would say is read from the
shapes of the weights; the names are changed by diffusers' own converters.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import msgspec
import torch
from diffusers.loaders.single_file_utils import (
    convert_ltx2_transformer_to_diffusers,
    convert_ltx_transformer_checkpoint_to_diffusers,
    convert_wan_transformer_to_diffusers,
    convert_wan_vae_to_diffusers,
)
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor

from realmaster.errors import UserError
from realmaster.models.tensor_files import read_tensors

PREFIX = "model.diffusion_model."
TOLD = 3
"""Weights that a message names, at most."""
WAN_LATENTS = 16
WAN_HEAD, LTX_HEADS = 128, 32
"""Wan's head size and LTX's number of heads, which no weight shows; they are the same in all their sizes."""
LTX2_ROPE = "split"
"""How LTX-2's published weights turn their pairs; a file's own metadata goes before."""
MODULATED = 9
"""Rows of a block's table where the text is modulated by the timestep; 6 where it is not."""
LTX23 = (("audio_prompt_adaln_single.", "audio_prompt_adaln."), ("prompt_adaln_single.", "prompt_adaln."))
"""Names in LTX-2.3 that diffusers' converter, made for 2.0, leaves as they are."""


def original_file(part: Path) -> Path | None:
    """The single file of a part in original layout; None if the part is in diffusers' layout."""
    files = sorted(part.glob("*.safetensors"))
    return files[0] if len(files) == 1 and not (part / "config.json").is_file() else None


def load_original(file: Path, dtype: torch.dtype) -> tuple[str, Any]:
    """Family and transformer. Raises `UserError` if the file is neither Wan's nor LTX's.

    LTX's files hold the other parts as well, under other prefixes; these are left out.
    """
    state, metadata = read_tensors(file, dtype)
    if any(key.startswith(PREFIX) for key in state):
        state = {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
    if "head.modulation" in state:
        family, kind, config = "wan", WanTransformer3DModel, _wan_config(state)
        state = convert_wan_transformer_to_diffusers(state)
    elif "audio_patchify_proj.weight" in state:
        family, kind, config = "ltx2", LTX2VideoTransformer3DModel, _ltx2_config(state, _told(file, metadata))
        state = _renamed(convert_ltx2_transformer_to_diffusers(state))
    elif "patchify_proj.weight" in state:
        family, kind, config = "ltx", LTXVideoTransformer3DModel, _ltx_config(state)
        state = convert_ltx_transformer_checkpoint_to_diffusers(state)
    else:
        raise UserError(f"{file} is no Wan, LTX-Video or LTX-2 transformer in its authors' layout: for any other, use "
                        "one in diffusers' layout")
    model = _fill(cast(Any, kind).from_config(config), state, file)
    keep = tuple(model._keep_in_fp32_modules or ())
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.to(torch.float32 if any(word in name for word in keep) else dtype)
    return family, model.eval().requires_grad_(False)


def load_original_vae(file: Path, dtype: torch.dtype) -> AutoencoderKLWan:
    """Wan2.1's autoencoder. Raises `UserError` if it is another: their latents' statistics are not in their files."""
    state, _ = read_tensors(file, dtype)
    last = state.get("conv2.weight", torch.empty(0))
    if "encoder.downsamples.0.residual.0.gamma" not in state or len(last) != WAN_LATENTS:
        raise UserError(f"{file} is not Wan2.1's autoencoder in its authors' layout: any other needs vae/config.json, "
                        "as diffusers has it")
    model = AutoencoderKLWan(base_dim=len(state["encoder.conv1.weight"]))
    return _fill(model, convert_wan_vae_to_diffusers(state), file).to(dtype).eval().requires_grad_(False)


def _told(file: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """What LTX's authors write into a file of its transformer's configuration."""
    try:
        return msgspec.json.decode(metadata.get("config", "{}"), type=dict[str, Any]).get("transformer", {})
    except msgspec.MsgspecError as error:
        raise UserError(f"the configuration in {file} is damaged ({error}): copy it again") from error


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for key, value in state.items():
        old, new = next((pair for pair in LTX23 if key.startswith(pair[0])), ("", ""))
        out[new + key.removeprefix(old)] = value
    return out


def _fill(model: Any, state: dict[str, Tensor], file: Path) -> Any:
    kind, wanted = type(model).__name__, model.state_dict()
    lacking, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if lacking or extra:
        parts = [f"{word} {len(names)} weights ({', '.join(names[:TOLD])}{', ...' if len(names) > TOLD else ''})"
                 for word, names in (("it lacks", lacking), ("the model has no place for", extra)) if names]
        raise UserError(f"{file} does not load as {kind}: {' and '.join(parts)}. It is of a variant that is not known "
                        "here, or quantised: take the text-to-video model in fp16, bf16 or fp8")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{file} does not load as {kind}: {str(error).splitlines()[1].strip()}") from error
    return model


def _blocks(state: dict[str, Tensor], stem: str) -> int:
    return 1 + max(int(key.split(".")[1]) for key in state if key.startswith(f"{stem}."))


def _wan_config(state: dict[str, Tensor]) -> dict[str, Any]:
    width, channels, *patch = state["patch_embedding.weight"].shape
    return {"patch_size": tuple(patch), "num_attention_heads": width // WAN_HEAD, "attention_head_dim": WAN_HEAD,
            "in_channels": channels, "out_channels": len(state["head.head.weight"]) // math.prod(patch),
            "text_dim": state["text_embedding.0.weight"].shape[1],
            "freq_dim": state["time_embedding.0.weight"].shape[1],
            "ffn_dim": len(state["blocks.0.ffn.0.weight"]), "num_layers": _blocks(state, "blocks")}


def _ltx_config(state: dict[str, Tensor]) -> dict[str, Any]:
    width, channels = state["patchify_proj.weight"].shape
    return {"in_channels": channels, "out_channels": len(state["proj_out.weight"]), "num_attention_heads": LTX_HEADS,
            "attention_head_dim": width // LTX_HEADS, "num_layers": _blocks(state, "transformer_blocks"),
            "cross_attention_dim": state["transformer_blocks.0.attn2.to_k.weight"].shape[1],
            "caption_channels": state["caption_projection.linear_1.weight"].shape[1]}


def _ltx2_config(state: dict[str, Tensor], told: dict[str, Any]) -> dict[str, Any]:
    """LTX-2 and 2.3, which has gates, text modulated by the timestep, and no caption projection of its own."""
    block = "transformer_blocks.0."
    width, channels = state["patchify_proj.weight"].shape
    sound, sound_channels = state["audio_patchify_proj.weight"].shape
    caption = state.get("caption_projection.linear_1.weight")
    return {
        "in_channels": channels, "out_channels": len(state["proj_out.weight"]), "num_attention_heads": LTX_HEADS,
        "attention_head_dim": width // LTX_HEADS, "num_layers": _blocks(state, "transformer_blocks"),
        "cross_attention_dim": state[f"{block}attn2.to_k.weight"].shape[1],
        "gated_attn": f"{block}attn1.to_gate_logits.weight" in state,
        "cross_attn_mod": len(state[f"{block}scale_shift_table"]) == MODULATED,
        "audio_in_channels": sound_channels, "audio_out_channels": len(state["audio_proj_out.weight"]),
        "audio_num_attention_heads": LTX_HEADS, "audio_attention_head_dim": sound // LTX_HEADS,
        "audio_cross_attention_dim": state[f"{block}audio_attn2.to_k.weight"].shape[1],
        "audio_gated_attn": f"{block}audio_attn1.to_gate_logits.weight" in state,
        "audio_cross_attn_mod": len(state[f"{block}audio_scale_shift_table"]) == MODULATED,
        "use_prompt_embeddings": caption is not None, "rope_type": told.get("rope_type", LTX2_ROPE),
        **({} if caption is None else {"caption_channels": caption.shape[1]})}
