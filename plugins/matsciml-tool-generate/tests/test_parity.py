"""Every metric equals that of CDVAE's own program for the same 100 crystals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_tool_generate.composition_validity import element_data
from matsciml_tool_generate.coverage import (
    CUTOFFS,
    Fingerprint,
    coverage,
    nearest_distances,
    standardise,
)
from matsciml_tool_generate.distributions import wasserstein_distance
from matsciml_tool_generate.fingerprints import fingerprint
from matsciml_tool_generate.reconstruction import score
from matsciml_tool_generate.structures import ParsedStructure
from matsciml_tool_generate.validity import Validity, ValidityOptions, validate

NAMES = ("ground_truth", "generated")
TABLES = ("smact14", "icsd16", "icsd24")
SETS = {"mp20": "mp20", "perov": "perovskite", "carbon": "carbon"}
Crystals = dict[str, list[Crystal]]
Fingerprints = dict[str, list[Fingerprint]]
Validities = dict[str, list[Validity]]


@pytest.fixture(scope="module")
def fingerprints(parity: Any) -> Fingerprints:
    """The reference's own fingerprints."""
    with np.load(parity / "fingerprints.npz") as data:
        pairs = zip(data["structure"], data["composition_unscaled"], strict=True)
        return {
            name: [
                Fingerprint(structure=one, composition=other)
                for one, other in zip(*pair, strict=True)
            ]
            for name, pair in zip(NAMES, pairs, strict=True)
        }


@pytest.fixture(scope="module")
def validities(crystals: Crystals) -> Validities:
    """Our own numbers for each crystal, without fingerprints."""
    options = ValidityOptions(fingerprints=False)
    return {
        name: [validate(ParsedStructure.from_crystal(one), options) for one in crystals[name]]
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_structure_validity(name: str, validities: Validities, reference: dict[str, Any]) -> None:
    found = [one.structure_valid for one in validities[name]]
    assert found == [entry["struct_valid"] for entry in reference[name]]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", NAMES)
def test_composition_validity(
    name: str, table: Any, crystals: Crystals, reference: dict[str, Any]
) -> None:
    options = ValidityOptions(fingerprints=False, table=table)
    found = [validate(ParsedStructure.from_crystal(one), options) for one in crystals[name]]
    assert [one.composition_valid for one in found] == [
        entry["comp_valid_by_table"][table] for entry in reference[name]
    ]


def test_element_data(parity: Any) -> None:
    import json

    listed = json.loads((parity / "element_table_smact.json").read_text(encoding="utf-8"))
    assert len(listed) == 100
    for entry in listed.values():
        for table in TABLES:
            found = element_data(entry["Z"], table)
            assert found is not None
            assert sorted(found.oxidation_states) == sorted(entry[table])
            assert found.electronegativity == entry["pauling"]
            assert found.is_metal == entry["metal"]


@pytest.mark.parametrize("name", NAMES)
def test_density(name: str, validities: Validities, reference: dict[str, Any]) -> None:
    found = [one.density for one in validities[name]]
    assert found == pytest.approx([entry["density"] for entry in reference[name]], rel=1e-12)


def test_standardised_compositions(parity: Any, fingerprints: Fingerprints) -> None:
    with np.load(parity / "fingerprints.npz") as data:
        mean, deviation = data["scaler_mean"], data["scaler_std"]
    rows = np.stack([one.composition for one in fingerprints["generated"]])
    np.testing.assert_allclose(standardise(rows), (rows - mean) / deviation, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", SETS)
def test_coverage(name: str, fingerprints: Fingerprints, reference: dict[str, Any]) -> None:
    found = coverage(fingerprints["generated"], fingerprints["ground_truth"], CUTOFFS[name])
    expected = reference["coverage"][SETS[name]]
    assert found.recall == pytest.approx(expected["cov_recall"], abs=1e-12)
    assert found.precision == pytest.approx(expected["cov_precision"], abs=1e-12)
    assert found.structure_distance_recall == pytest.approx(expected["amsd_recall"], rel=1e-12)
    assert found.structure_distance_precision == pytest.approx(
        expected["amsd_precision"], rel=1e-12
    )
    assert found.composition_distance_recall == pytest.approx(expected["amcd_recall"], abs=1e-12)
    assert found.composition_distance_precision == pytest.approx(
        expected["amcd_precision"], rel=1e-12
    )


def test_nearest_distances(fingerprints: Fingerprints, reference: dict[str, Any]) -> None:
    recalled, precise = nearest_distances(fingerprints["generated"], fingerprints["ground_truth"])
    expected = reference["coverage_distances"]
    for found, key in (
        (recalled.structure, "struc_recall_dist"),
        (precise.structure, "struc_precision_dist"),
        (recalled.composition, "comp_recall_dist"),
        (precise.composition, "comp_precision_dist"),
    ):
        np.testing.assert_allclose(found, expected[key], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("key", "attribute"), [("density", "density"), ("num_elements", "elements")]
)
def test_distances_of_distributions(
    key: str, attribute: str, validities: Validities, reference: dict[str, Any]
) -> None:
    valid = [
        one
        for one, entry in zip(validities["generated"], reference["generated"], strict=True)
        if entry["valid"]
    ]
    assert len(valid) == reference["emd"]["n_valid"]
    found = wasserstein_distance(
        *([getattr(one, attribute) for one in some] for some in (valid, validities["ground_truth"]))
    )
    assert found == pytest.approx(reference["emd"][key], rel=1e-12)


@pytest.mark.slow
def test_reconstruction(crystals: Crystals, reference: dict[str, Any]) -> None:
    pairs = list(zip(crystals["generated"][:40], crystals["ground_truth"][:40], strict=True))
    valid = [
        one["valid"] and other["valid"]
        for one, other in zip(reference["generated"], reference["ground_truth"], strict=True)
    ][:40]
    found = score(pairs, valid, workers=1)
    expected = reference["reconstruction"]
    assert found.match_rate == expected["match_rate"]
    assert found.rms == pytest.approx(expected["mean_rms"], rel=1e-9)
    for one, other in zip(found.distances, expected["rms"], strict=True):
        assert (one is None) == (other is None)
        assert one is None or one == pytest.approx(other, rel=1e-6, abs=1e-9)


class TestFingerprints:
    """They are the reference's, down to rounding, and all validities follow."""

    @pytest.mark.parametrize("index", [0, 21, 43])
    def test_some(self, index: int, crystals: Crystals, fingerprints: Fingerprints) -> None:
        self.compare(crystals["generated"][index], fingerprints["generated"][index])

    @pytest.mark.slow
    @pytest.mark.parametrize("name", NAMES)
    def test_all(
        self,
        name: str,
        crystals: Crystals,
        fingerprints: Fingerprints,
        reference: dict[str, Any],
    ) -> None:
        for one, expected, entry in zip(
            crystals[name], fingerprints[name], reference[name], strict=True
        ):
            found = validate(ParsedStructure.from_crystal(one), ValidityOptions(time_limit=300.0))
            assert found.valid == entry["valid"]
            assert found.fingerprint is not None
            np.testing.assert_allclose(
                found.fingerprint.structure, expected.structure, rtol=0, atol=1e-9
            )
            np.testing.assert_allclose(
                found.fingerprint.composition, expected.composition, rtol=1e-12, atol=1e-12
            )

    @staticmethod
    def compare(crystal: Crystal, expected: Fingerprint) -> None:
        found = fingerprint(crystal)
        np.testing.assert_allclose(found.structure, expected.structure, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.composition, expected.composition, rtol=1e-12, atol=1e-12)
