"""Space groups that a CIF names, without its operations: all spellings, or a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers.cif import joined_cif
from matsciml_core.data.readers.cif.space_group import named_operations
from matsciml_core.data.readers.frames import Frame
from matsciml_core.errors import DataError

CUBIC = (5.6, 5.6, 5.6, 90, 90, 90)
HEXAGONAL = (4.5, 4.5, 11.8, 90, 90, 120)
RHOMBOHEDRAL = (4.75, 4.75, 4.75, 57.2, 57.2, 57.2)
MONOCLINIC = (5.0, 6.0, 7.0, 90, 100, 90)
ALONG_C = (5.0, 6.0, 7.0, 90, 90, 100)
SALT = "Na1 Na 0 0 0\nCl1 Cl 0.5 0.5 0.5\n"
GENERAL = "Bi1 Bi 0.1 0.2 0.3\n"
ON_AXIS = "Bi1 Bi 0.234 0.234 0.234\n"
DIAMOND = "Si1 Si 0 0 0\n"


def cif(group, sites, cell=CUBIC, more="", tag="_symmetry_space_group_name_H-M"):
    """Return a CIF without operations."""
    lengths = zip(("length_a", "length_b", "length_c"), cell[:3], strict=True)
    angles = zip(("angle_alpha", "angle_beta", "angle_gamma"), cell[3:], strict=True)
    named = f"{tag} '{group}'" if group else ""
    lines = [f"_cell_{key} {value}" for key, value in (*lengths, *angles)]
    keys = ("label", "type_symbol", "fract_x", "fract_y", "fract_z")
    loop = ["loop_", *(f"_atom_site_{key}" for key in keys)]
    return "\n".join(["data_x", *lines, named, more, *loop, sites])


def counts(text):
    record = joined_cif(text, "x", {})
    assert isinstance(record, Frame), record
    return len(record.atomic_numbers)


@pytest.mark.parametrize(
    ("group", "sites", "cell", "expected"),
    [
        ("F m -3 m", SALT, CUBIC, 8),
        ("Fm-3m", SALT, CUBIC, 8),
        ("Fm3m", SALT, CUBIC, 8),
        ("F_m_-3_m", SALT, CUBIC, 8),
        ("F d -3 m :1", DIAMOND, CUBIC, 8),
        ("F d -3 m S", DIAMOND, CUBIC, 8),
        ("F d -3 m :2", DIAMOND, CUBIC, 16),
        ("Fd3m Z", DIAMOND, CUBIC, 16),
        ("P 21/c", GENERAL, MONOCLINIC, 4),
        ("P 1 21/n 1", GENERAL, MONOCLINIC, 4),
        ("P21/n", GENERAL, MONOCLINIC, 4),
        ("P 21/b", GENERAL, ALONG_C, 4),
        ("I 2/a", GENERAL, MONOCLINIC, 8),
        ("R -3 m", "Bi1 Bi 0 0 0.234\n", HEXAGONAL, 6),
        ("R -3 m :H", "Bi1 Bi 0 0 0.234\n", HEXAGONAL, 6),
        ("R -3 m", ON_AXIS, RHOMBOHEDRAL, 2),
        ("R -3 m R", ON_AXIS, RHOMBOHEDRAL, 2),
        ("C m c a", GENERAL, (5, 6, 7, 90, 90, 90), 16),
        ("C m c e", GENERAL, (5, 6, 7, 90, 90, 90), 16),
        ("P b n m", GENERAL, (5, 6, 7, 90, 90, 90), 8),
        ("P 1", SALT, CUBIC, 2),
        ("?", SALT, CUBIC, 2),
    ],
)
def test_a_name_gives_all_atoms(group, sites, cell, expected):
    assert counts(cif(group, sites, cell)) == expected


@pytest.mark.parametrize(
    ("number", "cell", "sites", "expected"),
    [
        (225, CUBIC, SALT, 8),
        (14, MONOCLINIC, GENERAL, 4),
        (14, ALONG_C, GENERAL, 4),
        (166, RHOMBOHEDRAL, ON_AXIS, 2),
        (62, (5, 6, 7, 90, 90, 90), GENERAL, 8),
    ],
)
def test_a_number_gives_all_atoms(number, cell, sites, expected):
    assert counts(cif(str(number), sites, cell, tag="_space_group_IT_number")) == expected


@pytest.mark.parametrize(
    ("hall", "expected"), [("F 4d 2 3 -1d", 8), ("-F 4vw 2vw 3", 16), ("-F_4vw_2vw_3", 16)]
)
def test_the_symbol_of_hall_leaves_nothing_open(hall, expected):
    more = f"_space_group_name_Hall '{hall}'"
    assert counts(cif("F d -3 m", DIAMOND, more=more)) == expected


@pytest.mark.parametrize(
    "more",
    [
        "_chemical_formula_sum Si\n_cell_formula_units_Z 8",
        "_chemical_formula_sum Si8\n_cell_formula_units_Z 8",  # as pymatgen and ASE mean it
    ],
)
def test_what_is_stated_tells_one_origin_from_the_other(more):
    assert counts(cif("F d -3 m", DIAMOND, more=more)) == 8
    at_eighths = "Si1 Si 0.125 0.125 0.125\n"
    assert counts(cif("F d -3 m", at_eighths, more=more)) == 8


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (cif("F d -3 m", DIAMOND), "several settings, origins for example"),
        (cif("Q 1 2 3", SALT), "names the space group 'Q 1 2 3', which is unknown"),
        (cif("F m -3 m", SALT, MONOCLINIC), "The cell has not the symmetry of"),
        (cif("F m -3 m", SALT, more="_space_group_IT_number 227"), "the number 227, which is"),
        (
            cif("", SALT, more="_chemical_formula_sum 'Cl Na'\n_cell_formula_units_Z 4"),
            "states 4 units of 'Cl Na' in the cell, and its sites make 2 atoms",
        ),
        (
            cif("", SALT, more="loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-y,x-y,z\n"),
            "The cell has not the symmetry of the operations",
        ),
        (cif("P 1", SALT, more="_cell_modulation_dimension 1"), "a modulated structure"),
    ],
)
def test_what_stays_open_is_rejected(text, reason):
    record = joined_cif(text, "x", {})
    assert isinstance(record, Rejection)
    assert reason in (record.detail or record.reason)


def test_names_of_cif_2_are_those_of_cif_1():
    text = cif("F m -3 m", SALT).replace("_atom_site_", "_atom_site.").replace("_cell_", "_cell.")
    assert counts(text) == 8


@pytest.mark.parametrize(
    ("column", "entries", "reason"),
    [
        ("calc_flag", ("d", "dum"), "'Cl1' of the CIF is a dummy"),
        ("disorder_group", ("1", "2"), "disordered groups of atoms"),
    ],
)
def test_sites_that_are_not_there_at_the_same_time(column, entries, reason):
    sites = "".join(
        f"{line} {entry}\n" for line, entry in zip(SALT.splitlines(), entries, strict=True)
    )
    text = cif("P 1", sites).replace(
        "_atom_site_fract_z", f"_atom_site_fract_z\n_atom_site_{column}"
    )
    record = joined_cif(text, "x", {})
    assert isinstance(record, Rejection)
    assert reason in (record.detail or record.reason)


def conventional_cell(system):
    """Return lattice vectors that have every symmetry of a crystal system's conventional cell."""
    if system == "hexagonal":
        return np.array([[1, 0, 0], [-0.5, np.sqrt(3) / 2, 0], [0, 0, 1.7]])
    return np.eye(3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_setting_has_the_operations_that_spglib_has():
    spglib = pytest.importorskip("spglib")
    for hall_number in range(1, 531):
        group = spglib.get_spacegroup_type(hall_number)
        hexagonal = 143 <= group.number <= 194 and group.choice != "R"
        cell = conventional_cell("hexagonal" if hexagonal else "cubic")
        ((rotations, shifts),) = named_operations("", group.hall_symbol, group.number, cell)
        expected = spglib.get_symmetry_from_database(hall_number)
        assert operations(rotations, shifts) == operations(
            expected["rotations"], expected["translations"]
        ), group.hall_symbol


def operations(rotations, shifts):
    return {
        (tuple(np.rint(rotation).astype(int).ravel()), tuple(np.rint(shift * 24).astype(int) % 24))
        for rotation, shift in zip(rotations, shifts, strict=True)
    }


def test_a_cell_that_was_refined_without_its_symmetry_has_it():
    cell = np.diag([5.6, 5.61, 5.59])
    assert len(named_operations("F m -3 m", "", 225, cell)[0][0]) == 192
    with pytest.raises(DataError, match="has not the symmetry"):
        named_operations("F m -3 m", "", 225, np.diag([5.6, 5.6, 6.0]))
