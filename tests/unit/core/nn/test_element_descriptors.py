"""The table of the elements: units, plausible values, gaps and scales."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from matsciml_core.interfaces.elements import SYMBOLS
from matsciml_core.nn.element_descriptors import element_descriptors

TABLE = element_descriptors()


def value(symbol: str, name: str) -> float:
    return float(TABLE.values[SYMBOLS.index(symbol) + 1, TABLE.names.index(name)])


def column(name: str) -> np.ndarray:
    return TABLE.values[1:, TABLE.names.index(name)]


# From memory of handbooks rather than from the packages that the table is made of.
@pytest.mark.parametrize(
    ("symbol", "name", "expected", "tolerance"),
    [
        ("Fe", "atomic_mass", 55.845, 1e-3),
        ("Fe", "melting_point", 1811, 3),
        ("W", "boiling_point", 5828, 150),
        ("Cu", "boiling_point", 2835, 10),
        ("K", "atomisation_enthalpy", 89, 1),
        ("C", "atomisation_enthalpy", 716.7, 1),
        ("O", "atomisation_enthalpy", 249.2, 0.5),
        ("F", "electronegativity_pauling", 3.98, 0.01),
        ("Cs", "electronegativity_pauling", 0.79, 0.01),
        ("F", "electronegativity_allen", 24.8, 0.2),
        ("Na", "covalent_radius_cordero", 1.66, 0.02),
        ("C", "covalent_radius_pyykko", 0.75, 0.01),
        ("O", "van_der_waals_radius", 1.5, 0.05),
        ("Au", "metallic_radius", 1.44, 0.01),
        ("O", "ionic_radius", 1.40, 0.01),
        ("Cl", "ionic_radius", 1.81, 0.01),
        ("Mg", "ionic_radius", 0.72, 0.01),
        ("Ti", "ionic_radius", 0.605, 0.01),
        ("H", "first_ionisation_energy", 13.598, 0.001),
        ("He", "second_ionisation_energy", 54.418, 0.001),
        ("Al", "third_ionisation_energy", 28.45, 0.05),
        ("Cl", "electron_affinity", 3.613, 0.001),
        ("N", "electron_affinity", 0.0, 1e-9),
        ("H", "polarisability", 4.507, 0.01),
        ("Cs", "polarisability", 400.9, 2),
        ("Ar", "dispersion_coefficient", 65, 4),
        ("Al", "atomic_volume", 16.6, 0.1),
        ("Al", "bulk_modulus", 76, 2),
        ("Fe", "shear_modulus", 82, 2),
        ("Cu", "d_electrons", 10, 0),
        ("U", "f_electrons", 3, 0),
        ("Si", "valence_electrons", 4, 0),
        ("Fe", "d_vacancies", 4, 0),
        ("Mn", "unpaired_electrons", 5, 0),
        ("Mn", "highest_oxidation_state", 7, 0),
        ("S", "lowest_oxidation_state", -2, 0),
        ("Nd", "group", 3, 0),
        ("H", "pettifor_number", 103, 0),
        ("Li", "mendeleev_number", 1, 0),
    ],
)
def test_has_the_values_of_handbooks(
    symbol: str, name: str, expected: float, tolerance: float
) -> None:
    assert value(symbol, name) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("atomic_radius", 0.2, 3.0),
        ("covalent_radius_cordero", 0.25, 2.7),
        ("covalent_radius_pyykko", 0.3, 2.5),
        ("van_der_waals_radius", 1.1, 3.6),
        ("isodensity_radius", 1.2, 3.0),
        ("metallic_radius", 1.1, 2.7),
        ("ionic_radius", 0.1, 2.3),
        ("electronegativity_pauling", 0.7, 4.0),
        ("electronegativity_allen", 3.8, 28.4),
        ("electronegativity_allred_rochow", 0.4, 13.1),
        ("electronegativity_miedema", 1.9, 7.0),
        ("first_ionisation_energy", 3.8, 24.6),
        ("electron_affinity", 0.0, 3.62),
        ("highest_orbital_energy", -16.0, -2.0),
        ("melting_point", 0.9, 3801),
        ("boiling_point", 4.2, 5900),
        ("atomisation_enthalpy", 0.0, 860),
        ("atomic_volume", 7.0, 120),
        ("bulk_modulus", 1.0, 381),
        ("shear_modulus", 1.0, 223),
        ("polarisability", 1.3, 402),
    ],
)
def test_all_values_of_a_column_have_one_unit(name: str, lowest: float, highest: float) -> None:
    assert column(name).min() >= lowest
    assert column(name).max() <= highest


def test_columns_agree_with_one_another() -> None:
    first, second, third = (column(f"{n}_ionisation_energy") for n in ("first", "second", "third"))
    measured = TABLE.measured[1:, TABLE.names.index("third_ionisation_energy")]
    assert (first < second)[1:].all()  # hydrogen has one electron
    assert (second < third)[measured].all()
    outer = sum(column(f"{shell}_electrons") for shell in "spdf")
    assert (outer == column("valence_electrons")).all()
    noble = np.array([0, 2, 10, 18, 36, 54, 86])
    numbers = np.arange(1, 119)
    core = noble[np.searchsorted(noble, numbers, side="left") - 1]
    assert (numbers - core == outer).all()
    assert (sum(column(f"{shell}_block") for shell in "spdf") == 1).all()
    known = TABLE.measured[1:, TABLE.names.index("boiling_point")]
    solid = known & ~np.isin(numbers, (6, 33))  # carbon and arsenic sublime
    assert (column("melting_point") < column("boiling_point"))[solid].all()
    # No solid is stiffer in shear than 3/2 of its bulk modulus, or ν would be negative.
    both = TABLE.measured[1:, TABLE.names.index("shear_modulus")]
    both = both & TABLE.measured[1:, TABLE.names.index("bulk_modulus")]
    assert (column("shear_modulus") <= 1.55 * column("bulk_modulus"))[both].all()
    # Half the distance of neighbours of a close packing, a/√8, is the radius of the metal.
    metal = TABLE.measured[1:, TABLE.names.index("metallic_radius")]
    packed = np.cbrt(column("atomic_volume") / (4 * np.sqrt(2)))
    ratio = (column("metallic_radius") / packed)[metal]
    assert ratio.min() > 0.85
    assert ratio.max() < 1.15


def test_gaps_are_filled_by_what_stands_near() -> None:
    measured = dict(zip(TABLE.names, TABLE.measured[SYMBOLS.index("Ne") + 1], strict=True))
    assert not measured["electronegativity_pauling"]
    assert 3.0 < value("Ne", "electronegativity_pauling") < 3.98
    assert value("Sm", "electronegativity_pauling") < value("Eu", "electronegativity_pauling")
    assert value("Eu", "electronegativity_pauling") < value("Dy", "electronegativity_pauling")
    assert value("Pm", "atomisation_enthalpy") == pytest.approx(350, abs=50)
    # Few gaps where crystals are made of: 1 to 94, hydrogen to plutonium.
    assert TABLE.measured[1:95].mean() > 0.94
    assert TABLE.measured.any(axis=0).all()


def test_scales_are_those_of_all_elements() -> None:
    assert TABLE.values.shape == TABLE.standardised.shape == (119, len(TABLE.names))
    assert len(TABLE.units) == len(TABLE.names) == len(set(TABLE.names))
    assert np.isfinite(TABLE.values).all()
    assert np.allclose(TABLE.standardised[1:].mean(axis=0), 0, atol=1e-12)
    assert np.allclose(TABLE.standardised[1:].std(axis=0), 1)
    assert not TABLE.standardised[0].any()
    assert len({row.tobytes() for row in TABLE.standardised}) == 119  # no two elements alike
    index = TABLE.names.index("atomic_volume")
    assert TABLE.values[0, index] == pytest.approx(np.exp(np.log(column("atomic_volume")).mean()))


def test_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        TABLE.values[1, 1] = 0


def test_needs_no_torch() -> None:
    code = (
        "import sys; from matsciml_core.nn.element_descriptors import element_descriptors; "
        "element_descriptors(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
