"""The half of the family that needs torch and diffusers."""

from __future__ import annotations

from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

from realmaster.models.families.registry import TorchFamily
from realmaster.models.families.wan.autoencoder import WanVideo
from realmaster.models.families.wan.original import AUTOENCODER, TRANSFORMER
from realmaster.models.families.wan.text import open_text_encoder
from realmaster.models.families.wan.tokens import WanTokens
from realmaster.models.large.tokens import Grid, TokenTransformer


def _tokens(model: ModelMixin, _grid: Grid) -> TokenTransformer:
    assert isinstance(model, WanTransformer3DModel)
    return WanTokens(model)


TORCH = TorchFamily(
    transformer=WanTransformer3DModel, autoencoder=AutoencoderKLWan, tokens=_tokens, video=WanVideo,
    text_encoder=open_text_encoder, original_transformer=TRANSFORMER, original_autoencoder=AUTOENCODER)
