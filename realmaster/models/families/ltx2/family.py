"""The half of the family that needs torch and diffusers."""

from __future__ import annotations

from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel

from realmaster.models.families.ltx.autoencoder import LTXVideo
from realmaster.models.families.ltx2.original import TRANSFORMER
from realmaster.models.families.ltx2.text import open_text_encoder
from realmaster.models.families.ltx2.tokens import LTX2Tokens
from realmaster.models.families.registry import TorchFamily
from realmaster.models.large.tokens import Grid, TokenTransformer


def _tokens(model: ModelMixin, _grid: Grid) -> TokenTransformer:
    assert isinstance(model, LTX2VideoTransformer3DModel)
    return LTX2Tokens(model)


TORCH = TorchFamily(
    transformer=LTX2VideoTransformer3DModel, autoencoder=AutoencoderKLLTX2Video, tokens=_tokens, video=LTXVideo,
    text_encoder=open_text_encoder, original_transformer=TRANSFORMER)
