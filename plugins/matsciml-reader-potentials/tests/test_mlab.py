"""ML_AB of VASP: units, the order of a stress, and files that end too early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core.data import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, parse_files, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry
from matsciml_reader_potentials.mlab_samples import (
    FORCES,
    POSITIONS,
    configuration,
    header,
    write_configurations,
)

REGISTRY = build_registry(only=["matsciml-reader-potentials"])
KBAR = 0.1 / 160.21766208
"""eV/Å³."""


def records(path: Path, text: str) -> list[Any]:
    path.write_text(text)
    return list(read(path, registry=REGISTRY))


def test_the_stress_is_in_kbar_with_the_sign_and_order_of_vasp(tmp_path: Path) -> None:
    write_configurations(tmp_path / "ML_AB", 3)
    labels = ("energy", "forces", "stress")
    request = ImportRequest(paths=(tmp_path / "ML_AB",), labels=labels)
    crystals = list(parse_files(request, REGISTRY).source(0))
    assert [crystal.id for crystal in crystals] == [f"ML_AB-{index:06d}" for index in range(3)]
    assert [crystal.labels["energy"] for crystal in crystals] == [-26.0001, -26.0002, -26.0003]
    np.testing.assert_array_equal(crystals[1].labels["forces"], FORCES)
    np.testing.assert_array_equal(crystals[1].positions, POSITIONS)
    expected = -KBAR * np.array([[1, 4, 6], [4, 2, 5], [6, 5, 3]])
    np.testing.assert_allclose(crystals[1].labels["stress"], expected)


def test_atoms_of_one_element_may_stand_in_two_places(tmp_path: Path) -> None:
    text = configuration(1).replace(
        "Ti      1\n     O       2", "O       1\n     Ti      1\n     O 1"
    )
    (frame,) = records(tmp_path / "ML_AB", header(1) + text)
    assert list(frame.atomic_numbers) == [8, 22, 8]
    assert frame.values["system"] == "rutile"


def test_files_that_were_put_together_are_read_whatever_their_numbers(tmp_path: Path) -> None:
    text = header(2) + configuration(1) + configuration(1)
    first, second = records(tmp_path / "mine.data", text)
    assert (first.name, second.name) == ("mine-000000", "mine-000001")


@pytest.mark.parametrize("lines", range(1, 34))
def test_a_file_that_ends_too_early_loses_its_last_configuration(
    tmp_path: Path, lines: int
) -> None:
    whole = (header(2) + configuration(1) + configuration(2)).splitlines(keepends=True)
    first, second = records(tmp_path / "ML_AB", "".join(whole[: len(whole) - lines]))
    assert isinstance(first, Frame)
    # Without the rule behind it, the last one is whole.
    assert isinstance(second, Frame if lines == 1 else Rejection)


def test_a_number_in_which_the_file_ends_is_looked_at(tmp_path: Path) -> None:
    text = header(1) + configuration(1)
    text = text[: text.rindex("6.00000000000000") + len("6.00000000000000")]
    assert isinstance(records(tmp_path / "ML_AB", text)[0], Frame)
    for missing in (3, 14, 18, 30):
        assert isinstance(records(tmp_path / "ML_AB", text[:-missing])[0], Rejection)


def test_what_the_header_promises_is_counted(tmp_path: Path) -> None:
    first, missing = records(tmp_path / "ML_AB", header(5) + configuration(1))
    assert isinstance(first, Frame)
    assert missing.detail == "The file says that it has 5 configurations, and has 1."


def test_faults_are_told(tmp_path: Path) -> None:
    text = header(1) + configuration(1)
    for old, new, reason in (
        ("Ti      1", "Xx      1", "'Xx' is no element"),
        ("Ti      1", "Ti      2", "another number of atoms than it says"),
        ("-0.750000000000000", "****", "not as VASP writes it"),
    ):
        (rejection,) = records(tmp_path / "ML_AB", text.replace(old, new))
        assert reason in (rejection.detail or rejection.reason)
    with pytest.raises(DataError, match="no line 'Configuration num"):
        records(tmp_path / "ML_AB", header(0))
