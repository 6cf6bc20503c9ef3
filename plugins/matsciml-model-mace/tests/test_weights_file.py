"""Files that ask for more than numbers: nothing in them is run, with mace-torch or without."""

from __future__ import annotations

import os
import zipfile

import pytest
import torch

from matsciml_cli.app import execute
from matsciml_core.errors import ConfigError, DataError
from matsciml_model_mace.conversion import settings_of
from matsciml_model_mace.weights_file import WeightsFile, part_of

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch and e3nn, by mace-torch


class Calls:
    """Pickled, it asks whoever reads it to call a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize(
    ("function", "argument"),
    [(os.mkdir, "made"), (print, "called"), (eval, "1"), (getattr, "x")],
    ids=["mkdir", "print", "eval", "getattr"],
)
def test_functions_are_rejected_by_name(tmp_path, monkeypatch, capsys, function, argument):
    monkeypatch.chdir(tmp_path)
    torch.save(Calls(function, argument), "bad.model")
    with pytest.raises(DataError, match=r"asks for '.*'.* nothing of it was run"):
        WeightsFile(tmp_path / "bad.model")
    assert sorted(os.listdir()) == ["bad.model"]
    assert "called" not in capsys.readouterr().out


def test_functions_of_torch_are_not_called_either(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.init, "ones_", lambda *_: pytest.fail("called"))
    torch.save(Calls(torch.set_default_dtype, torch.float64), tmp_path / "bad.model")
    with pytest.raises(DataError):
        settings_of(WeightsFile(tmp_path / "bad.model").network, None, tmp_path / "bad.model")
    assert torch.get_default_dtype() == torch.float32


def test_a_network_of_another_kind_is_named(tmp_path):
    file = tmp_path / "linear.model"
    torch.save(torch.nn.Linear(2, 2), file)
    with pytest.raises(DataError, match="holds a 'Linear', and a MACE or ScaleShiftMACE"):
        settings_of(WeightsFile(file).network, None, file)


def test_tensors_are_those_of_the_file(tmp_path):
    from matsciml_model_mace.weights_file import tensors_of

    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2).double())
    module.register_buffer("passing", torch.ones(1), persistent=False)
    torch.save(module, tmp_path / "plain.model")
    found = dict(tensors_of(WeightsFile(tmp_path / "plain.model").network))
    expected = module.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], one) for name, one in expected.items())
    assert all(found[name].dtype == one.dtype for name, one in expected.items())


@pytest.mark.parametrize("kind", ["text", "checkpoint", "cut", "packed", "missing"])
def test_what_is_no_network_is_one_sentence(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file.model"
    if kind == "text":
        file.write_text("weights")
    elif kind == "checkpoint":
        torch.save({"model": {"weight": torch.ones(2)}}, file)
    elif kind == "cut":
        torch.save(torch.nn.Linear(2, 2), file)
        file.write_bytes(file.read_bytes()[:-40])
    elif kind == "packed":
        torch.save(torch.nn.Linear(2, 2), tmp_path / "whole")
        with (
            zipfile.ZipFile(tmp_path / "whole") as whole,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed,
        ):
            for name in whole.namelist():
                packed.writestr(name, whole.read(name))
    assert execute(["convert-mace", "file.model", "-o", "out"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: ")
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_several_heads_are_listed(write_network):
    file = write_network(heads=("pbe", "r2scan"))
    with pytest.raises(ConfigError, match=r"heads pbe, r2scan.*--head"):
        settings_of(WeightsFile(file).network, None, file)
    with pytest.raises(ConfigError, match="Did you mean 'r2scan'"):
        settings_of(WeightsFile(file).network, "r2scam", file)


REJECTED = {
    "no activation": ({"gate": None}, "read-out without activation"),
    "correlations": ({"correlation": [3, 2]}, "correlation that differs"),
    "no envelope": ({"apply_cutoff": False}, "do not end at the cutoff"),
    "uneven": ({"hidden_irreps": "8x0e + 4x1o"}, "not equally many of each degree"),
    "readout": ({"readout_cls": "NonLinearBiasReadoutBlock"}, "has NonLinearBiasReadoutBlock"),
    "attention": (
        {"interaction_cls": "RealAgnosticAttResidualInteractionBlock"},
        "has RealAgnosticAttResidualInteractionBlock",
    ),
    "order": ({"atomic_numbers": [17, 8, 12, 11]}, "elements are not in order"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_what_the_encoder_would_compute_otherwise_is_named(write_network, case):
    options, words = REJECTED[case]
    file = write_network(**options)
    with pytest.raises(DataError, match=words):
        settings_of(WeightsFile(file).network, None, file)


def test_an_activation_that_was_scaled_otherwise_is_rejected(write_network):
    file = write_network()
    network = WeightsFile(file).network
    part_of(network, "readouts", "1", "non_linearity", "acts", "0").state["cst"] = 1.5
    with pytest.raises(DataError, match=r"activations scaled by 1\.5"):
        settings_of(network, None, file)
