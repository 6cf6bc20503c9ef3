"""Sites as OPTIMADE describes them become atomic numbers, or nothing."""

from __future__ import annotations

import pytest

from matsciml_core.data.readers.structures import numbers_of_sites


def kind(name, symbols, shares=None):
    found = {"name": name, "chemical_symbols": symbols}
    return found if shares is None else {**found, "concentration": shares}


def test_names_of_species_need_not_be_symbols():
    species = [kind("Fe1", ["Fe"], [1.0]), kind("O", ["O"])]
    assert numbers_of_sites(["Fe1", "O", "Fe1"], species) == [26, 8, 26]


@pytest.mark.parametrize("species", [None, []])
def test_without_species_their_names_are_symbols(species):
    assert numbers_of_sites(["Na", "Cl"], species) == [11, 17]


@pytest.mark.parametrize(
    "species",
    [
        [kind("O", ["O"], [0.5])],
        [kind("O", ["O", "S"], [0.5, 0.5])],
        [kind("O", ["vacancy"], [1.0])],
        [kind("O", None)],
        [kind("S", ["S"])],
    ],
)
def test_what_is_not_exactly_one_atom_has_no_number(species):
    assert numbers_of_sites(["O"], species) is None


@pytest.mark.parametrize("sites", [None, [], ["X"]])
def test_without_sites_or_elements_there_is_nothing(sites):
    assert numbers_of_sites(sites, None) is None
