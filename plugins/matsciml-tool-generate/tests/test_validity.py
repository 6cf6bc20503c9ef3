"""Validity one by one: no structure stops the evaluation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_tool_generate import validity
from matsciml_tool_generate.coverage import CUTOFFS, Fingerprint, coverage
from matsciml_tool_generate.fingerprints import FingerprintCache
from matsciml_tool_generate.parallel import parallel_map, time_limit
from matsciml_tool_generate.structures import ParsedStructure
from matsciml_tool_generate.validity import ValidityOptions, validate, validate_all

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:matminer")


def fake_fingerprint(value: float = 1.0) -> Fingerprint:
    return Fingerprint(structure=np.full(61, value), composition=np.full(132, value))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the fingerprint by a quick one, and list what was requested for."""
    requested: list[str] = []

    def quick_fingerprint(crystal: Crystal) -> Fingerprint:
        requested.append(crystal.id)
        return fake_fingerprint(crystal.volume)

    monkeypatch.setattr(validity, "fingerprint", quick_fingerprint)
    monkeypatch.setattr(validity, "featurizers", lambda: None)
    return requested


class TestNasty:
    def test_all_are_evaluated(self, nasty: list[ParsedStructure], quick: list[str]) -> None:
        found = {one.name: one for one in validate_all(nasty, ValidityOptions(), workers=1)}
        assert list(found) == [one.name for one in nasty]
        valid = {name for name, one in found.items() if one.structure_valid}
        assert valid == {"huge", "oganesson"}
        faults = {name: one.fault for name, one in found.items() if one.fault}
        assert faults == {
            "undefined cell": "a coordinate is infinite or undefined",
            "infinite position": "a coordinate is infinite or undefined",
            "flat cell": "the cell has no volume",
            "element 0": "an atomic number is not between 1 and 118",
            "element 500": "an atomic number is not between 1 and 118",
            "element -3": "an atomic number is not between 1 and 118",
            "half an element": "an atomic number is not between 1 and 118",
            "no atoms": "it has no atoms",
            "too few positions": "it cannot be read",
            "no numbers": "it cannot be read",
        }
        assert found["undefined cell"].composition_valid
        assert found["overlapping"].shortest_distance == 0.0
        assert not found["element 0"].composition_valid

    def test_absurdly_many_atoms_are_not_compared(self) -> None:
        crowd = ParsedStructure.from_arrays(
            "crowd", [1] * 2001, np.zeros((2001, 3)), np.eye(3) * 9.0
        )
        (found,) = validate_all([crowd], ValidityOptions(), workers=1)
        assert found.fault == "it has more than 2,000 atoms"
        assert not found.valid

    def test_symmetry_of_a_heap_of_atoms_is_not_searched(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(validity, "_space_group", lambda crystal: 1)
        positions = np.arange(300.0)[:, None] * np.array([0.004, 0.003, 0.001])
        heaps = [
            ParsedStructure.from_arrays(str(count), [1] * count, positions[:count], np.eye(3) * 4.0)
            for count in (2, 300)
        ]
        found = validate_all(heaps, ValidityOptions(fingerprints=False), workers=1)
        assert [one.space_group for one in found] == [1, None]

    def test_small_cells_get_no_fingerprint(
        self, nasty: list[ParsedStructure], quick: list[str]
    ) -> None:
        validate_all([one for one in nasty if one.name == "tiny"], ValidityOptions(), workers=1)
        assert quick == []

    @pytest.mark.slow
    def test_with_real_fingerprints(self, nasty: list[ParsedStructure]) -> None:
        found = validate_all(nasty, ValidityOptions(time_limit=5.0), workers=1)
        assert [one.name for one in found if one.valid] == ["huge"]


class TestLimits:
    def test_time_limit_of_a_fingerprint(
        self, salt: Callable[..., Crystal], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(validity, "fingerprint", lambda crystal: time.sleep(60))
        monkeypatch.setattr(validity, "featurizers", lambda: None)
        started = time.monotonic()
        found = validate(ParsedStructure.from_crystal(salt()), ValidityOptions(time_limit=0.1))
        assert time.monotonic() - started < 10
        assert (found.fingerprint, found.fingerprint_fault) == (None, "it took too long")
        assert found.structure_valid
        assert not found.valid

    def test_time_limit_is_lifted(self) -> None:
        with time_limit(0.05):
            pass
        time.sleep(0.1)
        with pytest.raises(TimeoutError), time_limit(0.05):
            time.sleep(5)

    def test_failed_fingerprint(
        self, salt: Callable[..., Crystal], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from matsciml_core.errors import DataError

        def fail(crystal: Crystal) -> Fingerprint:
            raise DataError("no")

        monkeypatch.setattr(validity, "fingerprint", fail)
        monkeypatch.setattr(validity, "featurizers", lambda: None)
        found = validate(ParsedStructure.from_crystal(salt()))
        assert found.fingerprint_fault == "it cannot be computed"


class TestCache:
    def test_is_requested_first_and_filled(
        self, salt: Callable[..., Crystal], quick: list[str], tmp_path: Path
    ) -> None:
        structures = [ParsedStructure.from_crystal(salt(5.0 + k, name=str(k))) for k in range(3)]
        for requested in (["0", "1", "2"], []):
            quick.clear()
            with FingerprintCache(tmp_path / "cache") as cache:
                found = validate_all(structures, ValidityOptions(), cache=cache, workers=1)
            assert quick == requested
            for one, structure in zip(found, structures, strict=True):
                assert one.fingerprint is not None
                assert structure.crystal is not None
                assert one.fingerprint.composition[0] == structure.crystal.volume

    def test_goes_by_content_and_versions(
        self, salt: Callable[..., Crystal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with FingerprintCache(tmp_path) as cache:
            cache.put(salt(name="one"), fake_fingerprint())
            assert cache.get(salt(name="another name")) is not None
            assert cache.get(salt(5.7)) is None
            assert cache.get(salt(numbers=(11, 35))) is None
        monkeypatch.setattr("matsciml_tool_generate.fingerprints.versions", lambda: "matminer=99")
        with FingerprintCache(tmp_path) as cache:
            assert cache.get(salt(name="one")) is None


def double(value: int) -> int:
    return 2 * value


def crash_on_seven(value: int) -> int:
    if value == 7:
        os._exit(1)
    return 2 * value


class TestProcesses:
    def test_order_and_progress(self) -> None:
        events: list[Any] = []
        found = parallel_map(
            double,
            range(20),
            on_crash=double,
            expected_seconds=1.0,
            label="doubling",
            report=events.append,
        )
        assert found == [2 * k for k in range(20)]
        assert events[-1].finished
        assert (events[-1].done, events[-1].total, events[-1].label) == (20, 20, "doubling")

    @pytest.mark.slow
    @pytest.mark.parametrize("function", [double, crash_on_seven])
    def test_survives_the_crash_of_a_process(
        self, function: Callable[[int], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        # Other processes import the function by its module's name, which tests have none of.
        file = tmp_path / "crashing_functions.py"
        file.write_text(
            "import os\n\ndef double(value):\n    return 2 * value\n\n"
            "def crash_on_seven(value):\n    if value == 7:\n        os._exit(1)\n"
            "    return 2 * value\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        import importlib

        module = importlib.import_module("crashing_functions")
        found = parallel_map(
            getattr(module, function.__name__),
            range(12),
            on_crash=lambda value: -value,
            expected_seconds=100.0,
            workers=2,
        )
        expected = [2 * k for k in range(12)]
        if function is crash_on_seven:
            expected[7] = -7
        assert found == expected


class TestCoverage:
    def test_empty_sets(self) -> None:
        prints = [fake_fingerprint()]
        found = coverage([], prints, CUTOFFS["mp20"], 10)
        assert (found.recall, found.precision) == (0.0, 0.0)
        found = coverage(prints, [], CUTOFFS["mp20"])
        assert np.isnan(found.recall)
        assert np.isnan(found.precision)

    def test_crystals_without_a_fingerprint_count(self) -> None:
        prints = [fake_fingerprint()]
        assert coverage(prints, prints, CUTOFFS["mp20"], 4).precision == 0.25
        assert coverage(prints, prints, CUTOFFS["mp20"]).precision == 1.0
