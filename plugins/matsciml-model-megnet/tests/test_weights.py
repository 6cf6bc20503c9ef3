"""Reading and converting weights in the published layout, with small made-up networks."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from matsciml_core.errors import ConfigError, DataError
from matsciml_model_megnet.encoder import ELEMENT_ROWS
from matsciml_model_megnet.weights import convert_published, load_published

HIDDEN, CONVOLUTION, OUTPUT = (5, 4), (6, 4), (3, 1)


def dense(name: str, first: int, widths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    tensors = {}
    for number, width in enumerate(widths):
        tensors[f"{name}.layers.{2 * number}.weight"] = torch.randn(width, first)
        tensors[f"{name}.layers.{2 * number}.bias"] = torch.randn(width)
        first = width
    return tensors


def lstm(name: str, width: int) -> dict[str, torch.Tensor]:
    shapes = {"weight_ih": (4 * width, 2 * width), "weight_hh": (4 * width, width)}
    shapes |= {"bias_ih": (4 * width,), "bias_hh": (4 * width,)}
    return {f"{name}.lstm.{key}_l0": torch.randn(shape) for key, shape in shapes.items()}


def tensors(state: str) -> dict[str, torch.Tensor]:
    """Two blocks of width 4, three elements, ten Gaussians."""
    made = {
        "bond_expansion.rbf.centers": torch.linspace(0, 4.5, 10),
        "embedding.layer_node_embedding.weight": torch.randn(3, 2),
        **dense("edge_encoder", 10, HIDDEN),
        **dense("node_encoder", 2, HIDDEN),
        **dense("state_encoder", 2 if state == "zeros" else 3, HIDDEN),
        **lstm("edge_s2s", 4),
        **lstm("node_s2s", 4),
        **dense("output_proj", 20, OUTPUT),
    }
    for block in range(2):
        for part, first in (("edge", 16), ("node", 12), ("state", 12)):
            made |= dense(f"blocks.{block}.conv.{part}_func", first, CONVOLUTION)
            made |= dense(f"blocks.{block}.{part}_func", 4, HIDDEN) if block else {}
    if state == "embedding":
        made["embedding.layer_state_embedding.weight"] = torch.randn(2, 3)
    return made


def description() -> dict:
    return {
        "name": "made up",
        "element_types": ["H", "O", "Pu"],
        "hyper": {
            "cutoff": 3.5,
            "gaussian_centers": {"first": 0.0, "last": 4.5, "number": 10},
            "gaussian_exponent_factor": 0.5,
            "activation": "softplus(x)-ln2",
            "nblocks": 2,
            "s2s_iterations": 2,
            "s2s_layers": 1,
            "dropout": 0.0,
        },
        "target": {"kind": "band gap, eV", "mean": 1.5, "std": 0.5},
    }


def write(folder: Path, state: str = "zeros", **changes) -> tuple[Path, Path]:
    files = folder / "published.safetensors", folder / "published.json"
    save_file(tensors(state), files[0])
    files[1].write_text(json.dumps({**description(), **changes}), encoding="utf-8")
    return files


class TestConversion:
    @pytest.mark.parametrize("state", ["zeros", "embedding"])
    def test_round_trip(self, tmp_path, batch, state):
        files = write(tmp_path, state)
        folder = convert_published(*files, tmp_path / "deep" / "folder")
        found = load_published(folder).predict(batch.without_edges())
        assert torch.equal(found, load_published(files[0]).predict(batch.without_edges()))
        assert found.shape == (batch.num_crystals,)
        assert found.isfinite().all()

    def test_tensor_names(self, tmp_path):
        folder = convert_published(*write(tmp_path), tmp_path / "converted")
        names = load_file(folder / "model.safetensors")
        assert all(name.startswith(("encoder.", "heads.0.")) for name in names)
        assert {"heads.0.layers.0.weight", "encoder.blocks.1.dense.edges.layers.1.bias"} <= {*names}

    def test_description(self, tmp_path):
        folder = convert_published(*write(tmp_path), tmp_path / "converted")
        found = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        assert (found["format"], found["version"]) == ("matsciml-model", 1)
        assert found["encoder"]["name"] == "megnet"
        assert found["encoder"]["config"]["hidden_widths"] == [*HIDDEN]
        assert found["heads"][0]["targets"] == [
            {"name": "band_gap", "unit": "eV", "kind": "scalar"}
        ]
        assert found["heads"][0]["normalisation"] == {"mean": 1.5, "std": 0.5}
        assert found["licence"] == "BSD-3-Clause"
        assert "Copyright (c) 2022, Materials Virtual Lab" in found["notice"]
        assert "10.1021/acs.chemmater.9b01294" in found["references"][0]

    def test_elements_go_to_the_rows_of_their_numbers(self, tmp_path):
        files = write(tmp_path)
        table = load_file(files[0])["embedding.layer_node_embedding.weight"]
        rows = load_published(files[0]).encoder.element_embedding.weight
        assert rows.shape == (ELEMENT_ROWS, 2)
        assert torch.equal(rows[[1, 8, 94]], table)
        torch.testing.assert_close(rows[118], table.mean(0))

    def test_the_output_is_scaled_back(self, tmp_path, batch):
        model = load_published(write(tmp_path)[0])
        batch = batch.to(dtype=torch.float32)
        normalised = model.heads[0](model.encoder(batch).crystals).squeeze(1)
        torch.testing.assert_close(model(batch), normalised * 0.5 + 1.5)

    def test_the_state_row_can_be_chosen(self, tmp_path, batch):
        files = write(tmp_path, "embedding")
        folder = convert_published(*files, tmp_path / "converted")
        first, second = (load_published(folder, state_index=k).predict(batch) for k in (0, 1))
        assert not torch.allclose(first, second)

    def test_predict_leaves_the_mode_as_it_was(self, tmp_path, batch):
        model = load_published(write(tmp_path)[0])
        assert not model.training
        assert not model.train().predict(batch).requires_grad
        assert model.training


class TestErrors:
    def test_missing_file(self, tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            load_published(tmp_path / "nowhere.safetensors")

    def test_empty_folder(self, tmp_path):
        with pytest.raises(DataError, match=r"model\.json' cannot be read"):
            load_published(tmp_path)

    def test_not_safetensors(self, tmp_path):
        files = write(tmp_path)
        files[0].write_bytes(b"something else")
        with pytest.raises(DataError, match="cannot be read as safetensors"):
            load_published(files[0])

    def test_not_an_object(self, tmp_path):
        files = write(tmp_path)
        files[1].write_text("[]", encoding="utf-8")
        with pytest.raises(DataError, match="must hold a JSON object"):
            load_published(files[0])

    @pytest.mark.parametrize("missing", ["hyper", "target", "element_types"])
    def test_incomplete_description(self, tmp_path, missing):
        files = write(tmp_path)
        content = description()
        del content[missing]
        files[1].write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(DataError, match=f"'{missing}' is missing"):
            load_published(files[0])

    def test_missing_tensor(self, tmp_path):
        files = write(tmp_path)
        kept = {k: v for k, v in tensors("zeros").items() if k != "node_s2s.lstm.bias_ih_l0"}
        save_file(kept, files[0])
        with pytest.raises(DataError, match="does not hold the MEGNet"):
            convert_published(*files, tmp_path / "converted")
        assert not (tmp_path / "converted").exists()

    def test_other_target(self, tmp_path):
        target = {"kind": "melting point, K", "mean": 0, "std": 1}
        with pytest.raises(DataError, match="predicts 'melting point, K'"):
            load_published(write(tmp_path, target=target)[0])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"activation": "relu"}, "another activation"),
            ({"cutoff": 4.0}, "1 Å beyond the cutoff, 4.0 Å"),
        ],
    )
    def test_other_network(self, tmp_path, change, message):
        hyper = {**description()["hyper"], **change}
        with pytest.raises(DataError, match=message):
            load_published(write(tmp_path, hyper=hyper)[0])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": "other"}, "has the format 'other'"),
            ({"version": 2}, "version 2; this plugin reads"),
            ({"encoder": {"name": "egnn", "config": {}}}, "another encoder than megnet"),
        ],
    )
    def test_other_checkpoint(self, tmp_path, change, message):
        folder = convert_published(*write(tmp_path), tmp_path / "converted")
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        (folder / "model.json").write_text(json.dumps({**content, **change}), encoding="utf-8")
        with pytest.raises(DataError, match=message):
            load_published(folder)

    def test_no_such_state_row(self, tmp_path):
        with pytest.raises(ConfigError, match="state_index 7 must be below state_rows, 2"):
            load_published(write(tmp_path, "embedding")[0], state_index=7)
