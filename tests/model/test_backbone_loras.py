"""LoRA files for large models: written here, read by plain diffusers; written elsewhere, read here."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

torch = pytest.importorskip("torch")

from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline  # noqa: E402
from diffusers.pipelines.ltx2.pipeline_ltx2 import LTX2Pipeline  # noqa: E402
from diffusers.pipelines.wan.pipeline_wan import WanPipeline  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from realmaster.errors import UserError  # noqa: E402
from realmaster.models.large.in_context import InContext, Reading, Reference  # noqa: E402
from realmaster.models.large.load import Backbone, load_backbone  # noqa: E402
from realmaster.models.large.lora.apply import apply  # noqa: E402
from realmaster.models.large.lora.fit import fit  # noqa: E402
from realmaster.models.large.lora.read import Lora, agree, read_lora  # noqa: E402
from realmaster.models.large.lora.recipe import as_metadata  # noqa: E402
from realmaster.training.large import add_lora, save_lora  # noqa: E402
from tests.checkpoints import make  # noqa: E402
from tests.model.test_backbones import latents, prompt, stock  # noqa: E402

RECIPE = {"attention": "full", "reference_downscale_factor": "1", "rank": "32", "alpha": "32"}


@pytest.fixture(scope="module", params=["wan21", "ltx", "ltx2"])
def trained(request, tmp_path_factory) -> tuple[Path, Path, str]:
    """A model's folder, a LoRA for it that changes something, and the family."""
    folder = make(request.param, tmp_path_factory.mktemp("models") / request.param)
    backbone = load_backbone(folder, torch.float32)
    torch.manual_seed(1)
    model = backbone.experts[0].model
    for parameter in add_lora(model, backbone.family).values():
        torch.nn.init.normal_(parameter, std=0.1)
    path = tmp_path_factory.mktemp("loras") / "lora.safetensors"
    save_lora(model, path, backbone.family, RECIPE)
    return folder, path, backbone.family


def merged(folder: Path, *paths: Path, mode: Literal["merged", "live"] = "merged"):
    return put(load_backbone(folder, torch.float32), [read_lora(path) for path in paths], mode)


def put(backbone: Backbone, loras: list[Lora], mode: Literal["merged", "live"] = "merged") -> Backbone:
    models = [expert.model for expert in backbone.experts]
    apply(models, [fit(lora, models, backbone.family) for lora in loras], mode)
    return backbone


@torch.no_grad()
def test_plain_diffusers_gives_the_same_output_with_our_lora(trained):
    folder, path, family = trained
    backbone = merged(folder, path)
    x, time, text = latents(backbone, 0), torch.tensor([600.0, 200.0]), prompt(backbone)
    ours = InContext(backbone.experts[0].tokens).plain(x, time, text)
    kind, absent = {"wan": (WanPipeline, ()), "ltx": (LTXPipeline, ()),
                    "ltx2": (LTX2Pipeline, ("audio_vae", "vocoder", "connectors"))}[family.name]
    pipeline = kind.from_pretrained(folder, **dict.fromkeys(("text_encoder", "tokenizer", *absent)))
    before = stock(backbone, pipeline.transformer, x, time, text)
    pipeline.load_lora_weights(load_file(path))
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    theirs = stock(backbone, pipeline.transformer, x, time, text)
    assert (ours - theirs).abs().max() < 1e-5 < (theirs - before).abs().max() / 10


@torch.no_grad()
@pytest.mark.parametrize("layout", ["comfyui", "peft", "peft wrapped", "kohya"])
def test_every_layout_gives_the_same_weights(trained, tmp_path, layout):
    folder, path, family = trained
    state = load_file(path)
    other = tmp_path / "other.safetensors"
    if layout == "comfyui":
        other = path.parent / "comfyui" / path.name
        assert all(key.startswith("diffusion_model.") for key in load_file(other))
    elif layout == "kohya":
        if family.name != "wan":
            pytest.skip("its loader knows one layout alone")
        names = {k.replace("lora_A", "lora_down").replace("lora_B", "lora_up"): v
                 for k, v in load_file(path.parent / "comfyui" / path.name).items()}
        alphas = {re.sub(r"lora_down\.weight", "alpha", k): torch.tensor(32.0) for k in names if "lora_down" in k}
        save_file(names | alphas, other, metadata={})
    else:
        prefix = "base_model.model." if layout == "peft wrapped" else ""
        save_file({k.replace("transformer.", prefix, 1): v for k, v in state.items()}, other, metadata=RECIPE)
    first, second = (dict(merged(folder, p).experts[0].model.named_parameters()) for p in (path, other))
    assert all((first[name] - second[name]).abs().max() < 1e-5 for name in first)


@torch.no_grad()
def test_live_loras_do_what_merged_ones_do_and_leave_the_weights_alone(trained):
    folder, path, family = trained
    backbone = load_backbone(folder, torch.float32)
    plain = backbone.experts[0].model.transformer_blocks if family.name != "wan" else backbone.experts[0].model.blocks
    before = plain[0].attn1.to_q.weight.clone()
    first, second = replace(read_lora(path), weight=0.8), replace(read_lora(path), weight=-0.3)
    put(backbone, [first, second], "live")
    assert torch.equal(plain[0].attn1.to_q.base_layer.weight, before)
    together = load_backbone(folder, torch.float32)
    put(together, [replace(first, weight=0.5)])
    x, time, text = latents(backbone, 0), torch.tensor([600.0, 200.0]), prompt(backbone)
    live, whole = (InContext(b.experts[0].tokens).plain(x, time, text) for b in (backbone, together))
    without = InContext(load_backbone(folder, torch.float32).experts[0].tokens).plain(x, time, text)
    assert (live - whole).abs().max() < 1e-4 < (live - without).abs().max()


def test_loras_of_different_recipes_are_refused_together(trained, tmp_path):
    _, path, _ = trained
    other, plain = tmp_path / "other.safetensors", tmp_path / "style.safetensors"
    save_file(load_file(path), other, metadata=RECIPE | {"attention": "one_way"})
    save_file(load_file(path), plain)
    full, one_way, style = (read_lora(p) for p in (path, other, plain))
    assert agree([full, style]) == Reading("full") and agree([style]) is None
    with pytest.raises(UserError, match=r"different ways .*attention full.*attention one_way"):
        agree([full, one_way])
    for more in ({"reference_downscale_factor": "2"}, {"reference_reach": "1"}, {"references": "color guides"}):
        save_file(load_file(path), other, metadata=RECIPE | more)
        with pytest.raises(UserError, match="different ways"):
            agree([full, read_lora(other)])


@pytest.mark.parametrize("reading", [Reading("full"), Reading("one_way", 2, 0, guides=True), Reading("one_way", 1, 3)])
def test_how_it_reads_survives_the_file(trained, tmp_path, reading):
    _, path, _ = trained
    save_file(load_file(path), tmp_path / "lora.safetensors", metadata=as_metadata(reading))
    assert agree([read_lora(tmp_path / "lora.safetensors")]) == reading


def test_a_file_of_ltxs_trainer_is_known_by_its_metadata(trained, tmp_path):
    _, path, _ = trained
    other = tmp_path / "ic.safetensors"
    save_file(load_file(path), other, metadata={"reference_downscale_factor": "2"})
    assert agree([read_lora(other)]) == Reading("full", 2)


def test_what_is_no_lora_for_this_model_is_refused(trained, tmp_path):
    folder, path, _ = trained
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"no safetensors")
    with pytest.raises(UserError, match="copy it again"):
        read_lora(other)
    save_file({"weight": torch.zeros(2)}, other)
    with pytest.raises(UserError, match="no LoRA"):
        read_lora(other)
    save_file({k.replace("to_q", "to_other"): v for k, v in load_file(path).items()}, other)
    with pytest.raises(UserError, match=r"which has no .*to_other"):
        merged(folder, other)
    save_file({k: v[..., :3].contiguous() for k, v in load_file(path).items()}, other)
    with pytest.raises(UserError, match="is for another size of"):
        merged(folder, other)
    save_file(load_file(path), other, metadata=RECIPE | {"expert": "transformer_2"})
    with pytest.raises(UserError, match="transformer_2, which this model has not"):
        merged(folder, other)


@torch.no_grad()
def test_a_half_size_reference_is_read(trained):
    """Reference tokens at half the size stand at every other place of the target's."""
    folder, path, _ = trained
    backbone = merged(folder, path)
    tokens = backbone.experts[0].tokens
    whole, half = ({tuple(place) for place in (p[..., 0] if p.ndim == 4 else p)[0].T.tolist()}  # LTX-2: from, to
                   for p in (tokens.positions((1, 8, 8), 1), tokens.positions((1, 4, 4), 2)))
    assert half < whole and len(half) == len(whole) / 4
    context, text, time = InContext(tokens), prompt(backbone), torch.tensor([600.0, 200.0])
    x = latents(backbone, 0, (1, 8, 8))
    a, b = (context.joint(x, time, text, [Reference(latents(backbone, n, (1, 4, 4)), 2)], "full") for n in (1, 2))
    assert (a - b).abs().max() > 1e-4
