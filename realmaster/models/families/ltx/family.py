"""The half of the family that needs torch and diffusers."""

from __future__ import annotations

from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel

from realmaster.models.families.ltx.autoencoder import LTXVideo
from realmaster.models.families.ltx.original import TRANSFORMER
from realmaster.models.families.ltx.text import open_text_encoder
from realmaster.models.families.ltx.tokens import LTXTokens
from realmaster.models.families.registry import TorchFamily
from realmaster.models.large.tokens import Grid, TokenTransformer


def _tokens(model: ModelMixin, grid: Grid) -> TokenTransformer:
    assert isinstance(model, LTXVideoTransformer3DModel)
    return LTXTokens(model, grid)


TORCH = TorchFamily(
    transformer=LTXVideoTransformer3DModel, autoencoder=AutoencoderKLLTXVideo, tokens=_tokens, video=LTXVideo,
    text_encoder=open_text_encoder, original_transformer=TRANSFORMER)
