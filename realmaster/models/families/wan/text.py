"""Wan's text encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffusers.pipelines.wan.pipeline_wan import WanPipeline

from realmaster.models.large.tokens import Prompt

TEXT_TOKENS = 512
"""Text tokens that the models were trained with (the default of their pipeline)."""


def open_text_encoder(folder: Path) -> Callable[[str], Prompt]:
    """The function from a text to its embeddings, with the text encoder in `folder` loaded."""
    pipeline: Any = WanPipeline.from_pretrained(
        folder, transformer=None, vae=None, scheduler=None, transformer_2=None, local_files_only=True,
        use_safetensors=True)

    def encode(text: str) -> Prompt:
        embeds, _ = pipeline.encode_prompt(text, do_classifier_free_guidance=False, max_sequence_length=TEXT_TOKENS)
        return Prompt(embeds.float())

    return encode
