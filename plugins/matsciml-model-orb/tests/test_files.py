"""Files that no model can be made of."""

from __future__ import annotations

import pytest
import torch

from matsciml_cli.app import execute


def complaint(file, capsys, *options):
    """Return what the command says of a file, of which it writes nothing."""
    folder = file.parent / "model"
    assert execute(["convert-orb", str(file), "-o", str(folder), *options]) == 2
    assert not folder.exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("heads.forces.mlp.NN-0.weight", "energy is not conserved"),
        ("node_head.mlp.NN-0.weight", "energy is not conserved"),
        ("model.conditioner.charge", "charge and spin"),
        ("model.other.weight", "no place for model.other.weight"),
    ],
)
def test_networks_of_another_kind(write_file, capsys, name, sentence):
    assert sentence in complaint(write_file(**{name: torch.ones(1)}), capsys)


def test_shapes_that_do_not_fit(write_file, capsys):
    file = write_file(
        **{"model._decoder.unused": torch.ones(1), "heads.energy.mlp.NN-1.bias": torch.ones(7)}
    )
    assert "not those of a conservative Orb v3" in complaint(file, capsys)


def test_another_cutoff(write_file, capsys):
    file = write_file(**{"model.rbf_transform.r_max": torch.tensor(5.0)})
    assert "its cutoff is not 6 Å" in complaint(file, capsys)


def test_the_number_of_neighbours_has_to_be_known(write_file, capsys):
    file = write_file("mine.ckpt")
    assert "--neighbours" in complaint(file, capsys)
    pytest.importorskip("matsciml_head_forces", reason="a converted network has a head of it")
    assert (
        execute(["convert-orb", str(file), "-o", str(file.parent / "m"), "--neighbours", "30"]) == 0
    )


def test_what_is_no_file_of_tensors(tmp_path, capsys):
    file = tmp_path / "orb-v3-conservative-inf-x.ckpt"
    assert "no file of tensors" in complaint(file, capsys)
    file.write_bytes(b"text")
    assert "no file of tensors" in complaint(file, capsys)
    torch.save({"epoch": 3}, file)
    assert "holds more than tensors" in complaint(file, capsys)


def test_a_file_that_would_run_something_is_not_run(tmp_path, capsys):
    class Runs:
        def __reduce__(self):
            return (open, (str(tmp_path / "was-run"), "w"))

    file = tmp_path / "orb-v3-conservative-inf-x.ckpt"
    torch.save({"a": Runs()}, file)
    assert "no file of tensors" in complaint(file, capsys)
    assert not (tmp_path / "was-run").exists()
