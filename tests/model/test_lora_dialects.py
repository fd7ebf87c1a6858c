"""LoRA files in every dialect, made with diffusers' and peft's own writers, give what plain diffusers gives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

torch = pytest.importorskip("torch")

from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel  # noqa: E402
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel  # noqa: E402
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel  # noqa: E402
from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline  # noqa: E402
from diffusers.pipelines.ltx2.pipeline_ltx2 import LTX2Pipeline  # noqa: E402
from diffusers.pipelines.wan.pipeline_wan import WanPipeline  # noqa: E402
from peft import LoraConfig, get_peft_model_state_dict  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from realmaster.models.families.registry import families  # noqa: E402
from realmaster.models.large.lora.apply import apply  # noqa: E402
from realmaster.models.large.lora.fit import fit  # noqa: E402
from realmaster.models.large.lora.names import original  # noqa: E402
from realmaster.models.large.lora.read import read_lora  # noqa: E402
from tests.checkpoints import make  # noqa: E402

Family = Literal["wan", "ltx", "ltx2"]
CLASSES: dict[str, tuple[Any, Any, str]] = {
    "wan": (WanTransformer3DModel, WanPipeline, "wan21"), "ltx": (LTXVideoTransformer3DModel, LTXPipeline, "ltx"),
    "ltx2": (LTX2VideoTransformer3DModel, LTX2Pipeline, "ltx2")}
TARGETS = ["attn1.to_q", "attn2.to_k", "attn1.to_out.0"]
RANK, ALPHA = 4, 64


@pytest.fixture(scope="module", params=list(CLASSES))
def family(request) -> Family:
    return request.param


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory) -> Path:
    return make(CLASSES[family][2], tmp_path_factory.mktemp("models") / family)


@pytest.fixture(scope="module")
def fresh(family, folder) -> Callable[[], Any]:
    """A new copy of the tiny twin's transformer."""
    first = CLASSES[family][0].from_pretrained(folder / "transformer")
    weights = {name: value.clone() for name, value in first.state_dict().items()}

    def new() -> Any:
        model = CLASSES[family][0].from_config(first.config)
        model.load_state_dict(weights)
        return model

    return new


@pytest.fixture(scope="module")
def state(fresh) -> tuple[dict[str, Tensor], LoraConfig]:
    """A trained-looking adapter of one rank, by peft's own names without prefix, and its configuration."""
    return adapter(fresh(), LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS))


def adapter(model: Any, config: LoraConfig) -> tuple[dict[str, Tensor], LoraConfig]:
    torch.manual_seed(3)
    model.add_adapter(config)
    for name, parameter in model.named_parameters():
        if "lora_" in name and "magnitude" not in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return {key: value.detach().clone() for key, value in get_peft_model_state_dict(model).items()}, config


def ours(model: Any, path: Path, family: str, mode: Literal["merged", "live"] = "merged") -> dict[str, Tensor]:
    apply([model], [fit(read_lora(path), [model], families()[family])], mode)
    if mode == "live":
        model.fuse_lora()
        model.unload_lora()
    return dict(model.named_parameters())


def theirs(model: Any, path: Path, family: str) -> dict[str, Tensor]:
    """What `load_lora_weights` of diffusers' own pipeline makes of a file."""
    kind = CLASSES[family][1]
    blank: dict[str, Any] = dict.fromkeys(name for name in kind.__init__.__annotations__ if name not in
                                          {"return", "boundary_ratio", "expand_timesteps"})
    pipeline = kind(**blank | {"transformer": model})
    pipeline.load_lora_weights(path.parent, weight_name=path.name)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    return dict(model.named_parameters())


def assert_equal(found: dict[str, Tensor], wanted: dict[str, Tensor], before: Any) -> None:
    assert all((found[name] - wanted[name]).abs().max() < 1e-5 for name in wanted)
    assert max(float((wanted[name] - value).abs().max()) for name, value in before.named_parameters()) > 0.1


def authors(name: str, family: str) -> str:
    """What the family's authors call a module."""
    return original(name, families()[family])


def spelled(state: dict[str, Tensor], family: str, style: str) -> dict[str, Tensor]:
    """The adapter in another dialect; alpha goes into tensors where a style has them."""
    out: dict[str, Tensor] = {}
    for key, value in state.items():
        place, part = key.split(".lora_")
        theirs, side = authors(place, family), part[0]
        wording = {"A": "lora_down", "B": "lora_up"}[side]
        out[{"diffusers": f"transformer.{key}", "peft": f"base_model.model.{place}.lora_{side}.weight",
             "adapter name": f"{place}.lora_{side}.default.weight", "bare original": f"{theirs}.lora_{side}.weight",
             "diffsynth": f"pipe.dit.{theirs}.lora_{side}.default.weight",
             "comfyui": f"diffusion_model.{theirs}.lora_{side}.weight",
             "comfyui down up": f"diffusion_model.{theirs}.{wording}.weight",
             "kohya": f"lora_unet_{theirs.replace('.', '_')}.{wording}.weight"}[style]] = value
        if style in {"comfyui down up", "kohya"} and side == "A":
            base = f"lora_unet_{theirs.replace('.', '_')}" if style == "kohya" else f"diffusion_model.{theirs}"
            out[f"{base}.alpha"] = torch.tensor(float(ALPHA))
    return out


@pytest.fixture(scope="module")
def wanted(family, fresh, state, tmp_path_factory) -> tuple[Path, dict[str, Tensor], dict[str, Tensor]]:
    """A file by diffusers' own `save_lora_weights`, which keeps alpha in metadata; what diffusers makes of it; and the
    adapter."""
    path = tmp_path_factory.mktemp("diffusers") / "pytorch_lora_weights.safetensors"
    CLASSES[family][1].save_lora_weights(path.parent, state[0], transformer_lora_adapter_metadata=metadata(state[1]))
    return path, theirs(fresh(), path, family), state[0]


def metadata(config: LoraConfig) -> dict[str, Any]:
    facts = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
    return {key: value for key, value in facts.items() if value is not None}


@pytest.mark.parametrize("mode", ["merged", "live"])
def test_diffusers_own_file_has_diffusers_own_strength(wanted, fresh, family, mode):
    path, expected, _ = wanted
    assert_equal(ours(fresh(), path, family, mode), expected, fresh())


@pytest.mark.parametrize("style", ["diffusers", "peft", "adapter name", "bare original", "diffsynth", "comfyui",
                                   "comfyui down up", "kohya"])
def test_every_dialect_is_read_with_its_alpha(wanted, fresh, family, tmp_path, style):
    """Attention alone, which kohya's files often have; where alpha is a tensor, metadata does not count again."""
    path = tmp_path / "x.safetensors"
    save_file(spelled(wanted[2], family, style), path, metadata={"lora_alpha": f"{ALPHA:.1f}"})
    assert_equal(ours(fresh(), path, family), wanted[1], fresh())
    if style in {"diffusers", "comfyui"} or (style == "comfyui down up" and family == "wan"):
        save_file(spelled(wanted[2], family, style), path, metadata={"format": "pt"})  # diffusers reads no other alpha
        assert_equal(ours(fresh(), path, family), theirs(fresh(), path, family), fresh())


@pytest.mark.parametrize("source", ["ss_network_alpha", "network_alpha", "alpha"])
def test_one_alpha_for_all_is_read_by_every_name(wanted, fresh, family, tmp_path, source):
    save_file(spelled(wanted[2], family, "diffusers"), tmp_path / "x.safetensors",
              metadata={source: str(ALPHA), "ss_network_dim": str(RANK), "lora_alpha": "None"})
    assert_equal(ours(fresh(), tmp_path / "x.safetensors", family), wanted[1], fresh())


def test_ranks_and_alphas_of_their_own_are_those_of_peft(fresh, family, tmp_path):
    """By patterns in diffusers' metadata, in peft's own folder with rank stabilisation, and beside the weights."""
    patterns: dict[str, Any] = {"rank_pattern": {"attn2.to_k": 2}, "alpha_pattern": {"attn2.to_k": 8, "to_out.0": 1}}
    for stable in (False, True):
        state, config = adapter(model := fresh(), LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS,
                                                             use_rslora=stable, **patterns))
        model.fuse_lora()
        model.unload_lora()
        expected = dict(model.named_parameters())
        saved = tmp_path / f"diffusers{stable}"
        CLASSES[family][1].save_lora_weights(saved, state, transformer_lora_adapter_metadata=metadata(config))
        peft = tmp_path / f"peft{stable}"
        peft.mkdir()
        save_file({f"base_model.model.{k}": value for k, value in state.items()}, peft / "adapter_model.safetensors")
        (peft / "adapter_config.json").write_text(json.dumps(metadata(config)))
        for path in (next(saved.iterdir()), saved, peft, peft / "adapter_model.safetensors"):
            assert_equal(ours(fresh(), path, family), expected, fresh())
        assert_equal(ours(fresh(), peft, family, "live"), expected, fresh())


def test_a_dora_is_merged_as_peft_merges_it(fresh, family, tmp_path):
    adapter(model := fresh(), LoraConfig(r=RANK, lora_alpha=8, target_modules=TARGETS, use_dora=True))
    for name, parameter in model.named_parameters():
        if "magnitude" in name:
            parameter.data *= 1.5
    state = {key: value.detach().clone() for key, value in get_peft_model_state_dict(model).items()}
    model.fuse_lora()
    model.unload_lora()
    path = tmp_path / "x.safetensors"
    for dialect in (lambda key: key, lambda key: re.sub(r"\.lora_magnitude_vector.*", ".dora_scale", key)):
        save_file({dialect(f"transformer.{key}"): value for key, value in state.items()}, path, {"lora_alpha": "8"})
        assert_equal(ours(fresh(), path, family), dict(model.named_parameters()), fresh())


def test_whole_differences_are_added_where_their_names_say(fresh, family, tmp_path):
    """Norms, biases, tables of modulation: what ComfyUI adds and diffusers leaves out."""
    model = fresh()
    block = "blocks.0" if family == "wan" else "transformer_blocks.0"
    norm = f"{block}.norm2" if family == "wan" else f"{block}.attn1.norm_q"
    places = {f"{norm}.weight": "diff", f"{block}.attn1.to_q.bias": "diff_b", f"{block}.scale_shift_table": "diff_m"}
    state, deltas = {}, {}
    for name, suffix in places.items():
        deltas[name] = torch.randn_like(model.get_parameter(name)) + 1
        place = re.sub(r"\.(weight|bias|scale_shift_table)$", "", name)
        state[f"diffusion_model.{authors(place, family)}.{suffix}"] = deltas[name]
    if family != "wan":  # LTX has one name for its tables, and no ending of their own
        state[f"diffusion_model.{block}.scale_shift_table.diff"] = state.pop(f"diffusion_model.{block}.diff_m")
    save_file(state, tmp_path / "x.safetensors")
    for mode in ("merged", "live"):
        expected = {name: value + deltas.get(name, 0) for name, value in fresh().named_parameters()}
        assert_equal(ours(fresh(), tmp_path / "x.safetensors", family, mode), expected, fresh())


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.float16])
def test_small_numbers_are_what_they_stand_for(fresh, state, family, tmp_path, dtype):
    """Mixed types in one file; fp8 with an alpha, and scaled."""
    stored = {key: value.to(dtype) if i % 2 else value for i, (key, value) in enumerate(state[0].items())}
    exact, files = tmp_path / "exact.safetensors", tmp_path / "x.safetensors"
    save_file(spelled({k: v.float() for k, v in stored.items()}, family, "kohya"), exact)
    save_file(spelled(stored, family, "kohya"), files)
    expected = ours(fresh(), exact, family)
    assert_equal(ours(fresh(), files, family), expected, fresh())
    if dtype == torch.float8_e4m3fn:
        halves = {key: (value.float() * 2).to(dtype) for key, value in stored.items()}
        scales = {key.replace(".weight", ".scale_weight"): torch.tensor(0.5) for key in spelled(halves, family, "kohya")
                  if key.endswith(".weight")}
        save_file(spelled(halves, family, "kohya") | scales | {"scaled_fp8": torch.zeros(2)}, files)
        rounded = {key: value.float() / 2 for key, value in halves.items()}
        save_file(spelled(rounded, family, "kohya"), exact)
        assert_equal(ours(fresh(), files, family), ours(fresh(), exact, family), fresh())


def test_a_convolution_is_changed_too(tmp_path):
    """Wan's patch embedding; ComfyUI's files have it flat or in the convolution's own shape."""
    model, again = (WanTransformer3DModel.from_pretrained(make("wan21", tmp_path / "m") / "transformer")
                    for _ in range(2))
    weight = again.patch_embedding.weight.detach().clone()
    down, up = torch.randn(2, *weight.shape[1:]), torch.randn(len(weight), 2)
    expected = weight + (up @ down.flatten(1)).reshape(weight.shape)
    for target, mode, shapes in ((model, "merged", (down, up[..., None, None, None])),
                                 (again, "live", (down.flatten(1), up))):
        parts = zip(("lora_down", "lora_up"), shapes, strict=True)
        save_file({f"diffusion_model.patch_embedding.{n}.weight": v.contiguous() for n, v in parts},
                  tmp_path / "x.safetensors")
        assert (ours(target, tmp_path / "x.safetensors", "wan", mode)["patch_embedding.weight"] - expected).abs(
            ).max() < 1e-5


def test_shards_and_mixed_dialects_make_one_lora(wanted, fresh, family, tmp_path):
    """An adapter over two files, the halves of which came from two trainers."""
    keys = list(wanted[2])
    half = len(keys) // 4 * 2
    names = [f"adapter_model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    styles = zip(names, (keys[:half], keys[half:]), ("kohya", "diffsynth"), strict=True)
    for name, chosen, style in styles:
        save_file(spelled({key: wanted[2][key] for key in chosen}, family, style), tmp_path / name,
                  metadata={"lora_alpha": str(ALPHA)})
    (tmp_path / "adapter_model.safetensors.index.json").write_text(json.dumps(
        {"weight_map": {key: names[i % 2] for i, key in enumerate(keys)}}))
    for path in (tmp_path, tmp_path / names[1]):
        assert_equal(ours(fresh(), path, family), wanted[1], fresh())
    assert len(load_file(tmp_path / names[0])) > 0


def test_our_names_are_those_that_diffusers_converts_from(fresh, family):
    """Every parameter, by its authors' name, becomes diffusers' in diffusers' own converter."""
    from diffusers.loaders import single_file_utils as converters
    convert = {"wan": converters.convert_wan_transformer_to_diffusers,
               "ltx": converters.convert_ltx_transformer_checkpoint_to_diffusers,
               "ltx2": converters.convert_ltx2_transformer_to_diffusers}[family]
    parameters = dict(fresh().named_parameters())
    if family == "ltx2":  # whose converter is made for 2.0, without these
        parameters = {k: v for k, v in parameters.items() if "prompt_adaln" not in k}
    named = {}
    for key, value in parameters.items():
        place, dot, kind = key.rpartition(".")
        named[f"{authors(place, family)}.{kind}" if kind in {"weight", "bias"} else authors(key, family)] = value
        assert dot or kind == "scale_shift_table" or family == "ltx2"
    assert convert(named).keys() == parameters.keys()
