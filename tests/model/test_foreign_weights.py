"""Weights files of others: stored in 8 bits, not whole, of another variant; and files that others can read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from realmaster.config import Model  # noqa: E402
from realmaster.errors import UserError  # noqa: E402
from realmaster.models.large.graphs import BackboneGraphs  # noqa: E402
from realmaster.models.large.in_context import Reading  # noqa: E402
from realmaster.models.large.load import load_backbone  # noqa: E402
from realmaster.models.large.open import open_graphs  # noqa: E402
from realmaster.models.large.record import Recorder  # noqa: E402
from realmaster.models.sampler import Condition, Start  # noqa: E402
from realmaster.models.tensor_files import save_tensors  # noqa: E402
from realmaster.models.tiny.autoencoder import TinyVAE  # noqa: E402
from realmaster.training.settings import Train  # noqa: E402
from realmaster.training.watch import DENOISING_STEPS, Watch  # noqa: E402
from tests.checkpoints import make  # noqa: E402
from tests.model.test_backbone_original import original  # noqa: E402

HELD_OUT = Path(__file__).parents[2] / "data" / "held_out"
FP8 = torch.float8_e4m3fn


@pytest.mark.parametrize("naming", ["plain", "scale_weight", "weight_scale"])
def test_a_checkpoint_in_fp8_is_read(tmp_path, naming):
    """Plain, or scaled as ComfyUI's are, with one scale a weight or one a row."""
    folder, model = original("wan21", tmp_path)
    file = folder / "transformer" / "model.safetensors"
    state, extra = load_file(file), {}
    for key in [key for key, value in state.items() if value.ndim == 2]:
        if naming == "plain":
            state[key] = state[key].to(FP8)
            continue
        scale = (state[key].abs().amax(1, keepdim=True) / 448 if naming == "weight_scale"
                 else state[key].abs().max() / 448).clamp_min(1e-12)
        state[key] = (state[key] / scale).to(FP8)
        extra |= {key.replace(".weight", f".{naming}"): scale, key.replace(".weight", ".input_scale"): torch.ones(1)}
    save_file(state | extra | ({} if naming == "plain" else {"scaled_fp8": torch.zeros(2, dtype=FP8)}), file)
    found = dict(load_backbone(folder, torch.float32).experts[0].model.named_parameters())
    for name, value in model.named_parameters():
        assert (found[name] - value).abs().max() <= value.abs().max() / 16 + 1e-3  # three bits of mantissa


def test_another_quantisation_and_another_variant_are_refused_briefly(tmp_path):
    folder, _ = original("wan21", tmp_path)
    file = folder / "transformer" / "model.safetensors"
    state = load_file(file)
    image = {f"blocks.{i}.cross_attn.{name}.weight": torch.zeros(2) for i in range(9) for name in ("k_img", "v_img")}
    for wrong, told in ((state | image, r"has no place for 18 weights \(.*\.\.\.\).*take the text-to-video"),
                        ({k: v for k, v in state.items() if "blocks.1.ffn" not in k}, r"lacks 4 weights \(blocks\.1"),
                        (state | {"blocks.0.ffn.0.weight_scale": torch.ones(2, 2)}, "quantised in a way"),
                        (state | {"blocks.0.ffn.0.weight": torch.zeros(64, 128).to(FP8),
                                  "blocks.0.ffn.0.weight_scale": torch.ones(2, 2)}, "scaled in blocks")):
        save_file(wrong, file)
        with pytest.raises(UserError, match=told) as error:
            load_backbone(folder, torch.float32)
        assert len(str(error.value)) < 600


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_a_folder_that_lacks_weights_is_refused(tmp_path, part, capsys):
    """diffusers would fill them with random numbers; what it does not know is named."""
    folder = make("wan21", tmp_path / "m")
    file = folder / part / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    save_file(state | {"of.another": torch.zeros(1)}, file, metadata={"format": "pt"})
    load_backbone(folder, torch.float32)
    assert "1 weights are left out (of.another" in capsys.readouterr().err
    first = min(state)
    save_file({key: value for key, value in state.items() if key != first}, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match=rf"it lacks 1 weights \({first}, \.\.\.\): copy its files again"):
        load_backbone(folder, torch.float32)


def test_what_is_written_can_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o022)
    try:
        save_tensors({"a": torch.zeros(2, 2).T}, tmp_path / "a.safetensors", {"of": "x"})
        TinyVAE(8, 8).save(tmp_path)
        os.umask(0o077)
        save_tensors({"a": torch.ones(1)}, tmp_path / "b.safetensors")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.safetensors*")}
    assert modes == {"a.safetensors": 0o644, "diffusion_pytorch_model.safetensors": 0o644, "b.safetensors": 0o600}


def test_no_memory_does_not_mean_that_it_cannot_be_recorded(capsys):
    recorder, full = Recorder("cpu"), [True]

    def loop(start: Start) -> torch.Tensor:
        if full:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return start.noise * 2

    start = Start(torch.ones(1), Condition(torch.ones(1)))
    with pytest.raises(torch.OutOfMemoryError):
        recorder.run((1.0, 0.0), loop, start)
    full.clear()
    assert recorder.run((1.0, 0.0), loop, start) == 2
    assert len(recorder._recordings) == 1 and "recorded" not in capsys.readouterr().err


def test_validation_videos_have_the_noise_levels_of_render(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, data = make("ltx", tmp_path / "m"), tmp_path / "data"
    scheduler = folder / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"use_dynamic_shifting": True,
                                                                         "shift_terminal": 0.1}))
    clip = json.loads((HELD_OUT / "clips.jsonl").read_text().splitlines()[0])
    shutil.copytree(HELD_OUT / "clips" / clip["name"], data / "clips" / clip["name"])
    shutil.copy(HELD_OUT / "dataset.json", data)
    (data / "clips.jsonl").write_text(json.dumps(clip | {"split": "train"}) + "\n")
    backbone = load_backbone(folder, torch.float32)
    watch = Watch(Train(data=data, checkpoint=tmp_path), backbone, Reading("full"), "cpu")
    length, height, width = watch.rendered.shape[:3]
    graphs = open_graphs(folder, Model(attention="full", resolution=(width, height), length=length, threads=1))
    assert isinstance(graphs, BackboneGraphs)
    assert watch.graphs.levels(DENOISING_STEPS) == graphs.levels(DENOISING_STEPS)
    assert graphs.levels(DENOISING_STEPS)[-2] == pytest.approx(0.1) and graphs.running.shift != 1
