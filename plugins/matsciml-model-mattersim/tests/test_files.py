"""Files that no model can be made of."""

from __future__ import annotations

import pytest
import torch

from matsciml_cli.app import execute


def complaint(file, capsys):
    """Return what the command says of a file, of which it writes nothing."""
    folder = file.parent / "model"
    assert execute(["convert-mattersim", str(file), "-o", str(folder)]) == 2
    assert not folder.exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_name": "graphormer"}, "is 'graphormer', and 'm3gnet' can be used"),
        ({"model_args": {"max_l": 3}}, "its bases are not 4 radial and 4 angular functions"),
        ({"model_args": {"num_blocks": 3}}, "graph_conv.2"),
        ({"model_args": {"num_blocks": 1}}, "no place for graph_conv.1"),
        ({"model_args": {"units": 7}}, "not those of M3GNet"),
        ({"model_args": {"cutoff": "wide"}}, "not those of M3GNet"),
        ({"model": {"other.weight": torch.ones(1)}}, "no place for other.weight"),
        (
            {"model": {"atom_embedding.mlp.0.linear.weight": torch.ones(6, 90)}},
            "its elements are not those up to plutonium",
        ),
        ({"model": {"normalizer.scale": 1.0}}, "holds more than tensors"),
    ],
)
def test_networks_of_another_kind(write_file, capsys, changes, sentence):
    assert sentence in complaint(write_file(**changes), capsys)


def test_what_is_no_file_of_mattersim(tmp_path, capsys):
    file = tmp_path / "small.pth"
    assert "no file of plain values and tensors" in complaint(file, capsys)
    file.write_bytes(b"text")
    assert "no file of plain values and tensors" in complaint(file, capsys)
    torch.save({"weight": torch.ones(2)}, file)
    assert "has no 'model' with 'model_args'" in complaint(file, capsys)
    torch.save([torch.ones(2)], file)
    assert "has no 'model' with 'model_args'" in complaint(file, capsys)


def test_a_file_that_would_run_something_is_not_run(tmp_path, capsys):
    class Runs:
        def __reduce__(self):
            return (open, (str(tmp_path / "was-run"), "w"))

    file = tmp_path / "small.pth"
    torch.save({"model": Runs()}, file)
    assert "no file of plain values and tensors" in complaint(file, capsys)
    assert not (tmp_path / "was-run").exists()
