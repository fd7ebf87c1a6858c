"""LTX-2's text encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffusers.pipelines.ltx2.pipeline_ltx2 import LTX2Pipeline

from realmaster.models.large.tokens import Prompt

TEXT_TOKENS = 1024
"""Text tokens that the models were trained with (the default of their pipeline)."""


def open_text_encoder(folder: Path) -> Callable[[str], Prompt]:
    """The function from a text to its embeddings, with the text encoder in `folder` loaded."""
    pipeline: Any = LTX2Pipeline.from_pretrained(
        folder, transformer=None, vae=None, scheduler=None, audio_vae=None, vocoder=None, local_files_only=True,
        use_safetensors=True)

    def encode(text: str) -> Prompt:
        embeds, mask, _, _ = pipeline.encode_prompt(text, do_classifier_free_guidance=False,
                                                    max_sequence_length=TEXT_TOKENS)
        video, _, mask = pipeline.connectors(embeds, mask, padding_side=pipeline.tokenizer.padding_side)
        return Prompt(video.float(), mask.float())

    return encode
