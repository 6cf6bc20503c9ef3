"""``matsciml select`` from files to files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from matsciml_core import load
from matsciml_core.data.readers.extxyz import write_frames
from matsciml_core.model.inputs import read_structures

PROBE = """
import json, sys
import matsciml_tool_select.plugin, matsciml_tool_select.commands
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture
def select(cli, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: cli("select", *map(str, arguments))


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_command_loads_no_torch():
    output = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert not {"torch", "numpy", "yaml", "pydantic"} & set(json.loads(output))


def test_the_largest_spreads_are_written_with_their_numbers(
    select, registry, ensemble, candidates, crystals, tmp_path
):
    outcome = select(3, ensemble, candidates, "--by", "spread")
    assert outcome.code == 0, outcome.err
    assert "Read 12 structures: 12 candidates, 0 that cannot be used." in outcome.out
    assert "no training structures" in outcome.out
    model = load(ensemble, device="cpu", registry=registry)
    spreads = [one.spreads["energy"] for one in model.predict(crystals, uncertainty=True)]
    order = np.argsort(spreads)[::-1][:3]
    rows = table(tmp_path / "selected.csv")
    assert [row["id"] for row in rows] == [crystals[k].id for k in order]
    written = [float(row["spread of energy (eV/atom)"]) for row in rows]
    np.testing.assert_allclose(written, np.array(spreads)[order], rtol=1e-3)
    assert rows[0]["reason"] == "spread 1 of 12"
    structures = list(read_structures([tmp_path / "selected.extxyz"], None, registry))
    assert [one.id for one in structures] == [crystals[k].id for k in order]
    np.testing.assert_allclose(structures[0].crystal.positions, crystals[order[0]].positions)
    assert f"spread={spreads[order[0]]:.4f}"[:12] in (tmp_path / "selected.extxyz").read_text()


def test_known_structures_are_not_selected_again(select, model, candidates, crystals, tmp_path):
    write_frames(tmp_path / "old.extxyz", crystals[:10])
    outcome = select(
        5, model, candidates, "--by", "diversity", "--known", tmp_path / "old.extxyz",
        "--min-distance", "1e-4",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    rows = table(tmp_path / "selected.csv")
    assert {row["id"] for row in rows} == {crystals[10].id, crystals[11].id}
    assert all(float(row["distance to training set"]) > 0 for row in rows)
    assert "Left out 10 near-twins of known structures and 0 of selected ones." in outcome.out
    assert "Only 2 of 5 could be selected" in outcome.err


def test_what_cannot_be_used_is_said_and_left_out(select, model, candidates, tmp_path):
    broken = tmp_path / "broken.extxyz"
    broken.write_text("this is no structure\n")
    outcome = select(2, model, broken, candidates, "--by", "random")
    assert outcome.code == 0, outcome.err
    assert "Read 13 structures: 12 candidates, 1 that cannot be used." in outcome.out
    assert "Left out" in outcome.err
    assert "broken.extxyz" in outcome.err


def test_nothing_is_replaced_unasked(select, ensemble, candidates, tmp_path):
    (tmp_path / "selected.csv").write_text("mine")
    assert "give --replace" in select(2, ensemble, candidates).error
    assert (tmp_path / "selected.csv").read_text() == "mine"
    assert not (tmp_path / "selected.extxyz").exists()
    assert select(2, ensemble, candidates, "--replace").code == 0
    assert "end 'here.cif' in .extxyz" in select(2, ensemble, candidates, "-o", "here.cif").error


def test_a_model_without_a_spread_names_the_way_out(select, model, candidates):
    assert "name an ensemble, see matsciml ensemble" in select(2, model, candidates).error
