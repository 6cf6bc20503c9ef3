"""ColabFit's tables: ids, methods that are not mixed, and stresses that still need a volume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from matsciml_core.data import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, parse_files, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.crystals import sodium_chloride
from matsciml_reader_tables.parquet_samples import write_colabfit

REGISTRY = build_registry(only=["matsciml-reader-tables"])


def records(path: Path, **options: str) -> list[Any]:
    return list(read(path, registry=REGISTRY, options=options))


def test_rows_have_their_own_ids_units_and_periodicity(tmp_path: Path) -> None:
    path = tmp_path / "co_0.parquet"
    write_colabfit(path, [{"energy": -6.5}, {"energy": -7.5, "pbc": [True, True, False]}])
    labels = ("energy", "forces=atomic_forces:eV/A", "stress=cauchy_stress:eV/A^3")
    request = ImportRequest(paths=(path,), labels=labels)
    first, second = parse_files(request, REGISTRY).source(0)
    crystal = sodium_chloride()
    assert (first.id, second.id) == ("PO_0", "PO_1")
    np.testing.assert_array_equal(first.positions, crystal.positions)
    np.testing.assert_array_equal(first.atomic_numbers, crystal.atomic_numbers)
    assert second.pbc.tolist() == [True, True, False]
    assert second.labels["energy"] == -7.5
    np.testing.assert_array_equal(first.labels["forces"][1], [-0.1, -0.2, -0.3])
    np.testing.assert_array_equal(first.labels["stress"], np.diag([0.01, 0.02, 0.03]))


@pytest.mark.parametrize("normalized", [False, None])
def test_a_stress_without_its_volume_is_another_value(tmp_path: Path, normalized: Any) -> None:
    path = tmp_path / "co_0.parquet"
    write_colabfit(path, [{}, {"cauchy_stress_volume_normalized": normalized}])
    first, second = records(path)
    assert "cauchy_stress" in first.values
    assert "cauchy_stress" not in second.values
    np.testing.assert_array_equal(
        second.values["cauchy_stress_not_normalized"], np.diag([0.01, 0.02, 0.03])
    )


def test_methods_are_not_mixed_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "co_0.parquet"
    write_colabfit(path, [{}, {"method": "DFT-r2SCAN"}])
    with pytest.raises(DataError, match=r"mixes results of DFT-PBE and DFT-r2SCAN"):
        records(path)
    other, chosen = records(path, functional="DFT-r2SCAN")
    assert isinstance(other, Rejection)
    assert isinstance(chosen, Frame)


def test_numbers_may_be_text_and_structures_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "co_0.parquet"
    write_colabfit(path, [{}, {"cell": None}])
    (frame, broken) = records(path)
    assert isinstance(broken, Rejection)
    table = pyarrow.parquet.read_table(path).to_pylist()[:1]
    text = [{key: json.dumps(v) if isinstance(v, list) else v for key, v in table[0].items()}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(text), path)
    (same,) = records(path)
    for key in ("positions", "cell", "atomic_numbers", "pbc"):
        np.testing.assert_array_equal(getattr(same, key), getattr(frame, key))
    np.testing.assert_array_equal(same.values["atomic_forces"], frame.values["atomic_forces"])


def test_missing_values_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "co_0.parquet"
    write_colabfit(path, [{}, {"energy": None, "atomic_forces": None, "cauchy_stress": None}])
    request = ImportRequest(paths=(path,), labels=("energy", "forces=atomic_forces:eV/A"))
    first, second = parse_files(request, REGISTRY).source(0)
    assert set(first.labels) == {"energy", "forces"}
    assert not second.labels
