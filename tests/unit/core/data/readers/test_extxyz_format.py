"""What a frame of extended XYZ says becomes a record, the same as through ASE's own reader."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import ID_KEYS, Frame, InputFile, Record
from matsciml_core.data.readers.extxyz import scan, second_line
from matsciml_core.data.readers.extxyz.content import is_extended_xyz
from matsciml_core.data.readers.extxyz.format import ExtendedXYZReader
from matsciml_core.errors import DataError

CELL = 'Lattice="4 0 0 0 4 0 0 0 4"'


def records(folder: Path, text: str) -> list[Record]:
    path = folder / "mine.extxyz"
    path.write_text(text, encoding="utf-8")
    return list(ExtendedXYZReader().read(InputFile(path)))  # type: ignore[arg-type]


def only(folder: Path, text: str) -> Frame:
    (record,) = records(folder, text)
    assert isinstance(record, Frame), record
    return record


def ase_frames(text: str) -> list[Any]:
    pytest.importorskip("ase", reason="needs ASE: pip install ase")
    from ase.io import iread

    return list(iread(io.StringIO(text), index=":", format="extxyz"))


def assert_same_as_ase(frame: Frame, atoms: Any) -> None:
    """Compare with what the reader of ASE's formats makes of the atoms."""
    results = {} if atoms.calc is None else dict(atoms.calc.results)
    arrays = {k: v for k, v in atoms.arrays.items() if k not in ("numbers", "positions")}
    values = {**arrays, **atoms.info, **results}
    assert np.array_equal(frame.atomic_numbers, atoms.numbers)
    assert np.array_equal(frame.positions, atoms.positions)
    assert np.array_equal(frame.cell, atoms.cell.array)
    assert tuple(frame.pbc) == tuple(atoms.pbc)
    mine, theirs = frame.site_properties, site_properties_of(atoms)
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[key], theirs[key]) for key in theirs)
    assert frame.values.keys() == values.keys()
    for key, theirs in values.items():
        mine = frame.values[key]
        if key in ID_KEYS:  # an id such as 007 or T stays text here
            continue
        assert same(mine, theirs), key


def same(mine: Any, theirs: Any) -> bool:
    if isinstance(theirs, str | dict):
        return mine == theirs
    if np.size(theirs) == 0:  # of blanks and commas ASE makes an array without numbers
        return not mine.replace(",", "").strip()
    return np.array_equal(np.asarray(mine), np.asarray(theirs))


names = st.text("abcXYZ_", min_size=1, max_size=6).filter(
    lambda name: name.lower() not in ("z", "pos", "uid", "id", "name")
)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
infos = st.dictionaries(
    names,
    st.one_of(
        numbers,
        st.integers(-(2**62), 2**62),
        st.booleans(),
        # Not empty: ASE takes the next key for the value, see below.
        st.text("ab 1.,-T'\"[]{}=é", min_size=1, max_size=8),
        st.lists(numbers, min_size=2, max_size=9).map(np.array),
        st.lists(st.booleans(), min_size=2, max_size=3).map(np.array),
        st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=2).map(
            np.array
        ),
        st.dictionaries(names, st.integers(), max_size=2),
    ),
    max_size=4,
)


@st.composite
def images(draw: Any) -> Any:
    """Atoms of every kind that ASE can write: crystals, molecules, held atoms, labels."""
    ase = pytest.importorskip("ase", reason="needs ASE: pip install ase")
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.constraints import FixAtoms

    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.integers(1, 6))
    crystal = draw(st.booleans())
    atoms = ase.Atoms(
        random.integers(1, 119, size),
        random.normal(size=(size, 3)) * 10.0 ** random.integers(-3, 5, (size, 3)),
        cell=random.normal(size=(3, 3)) + 5 * np.eye(3) if crystal else None,
        pbc=random.random(3) < 0.5 if crystal else False,
        info=draw(infos),
    )
    if draw(st.booleans()):
        atoms.set_tags(random.integers(0, 3, size))
    if draw(st.booleans()):
        atoms.set_constraint(FixAtoms(mask=random.random(size) < 0.5))
    if draw(st.booleans()):
        atoms.set_initial_magnetic_moments(random.normal(size=size))
    if draw(st.booleans()):
        atoms.new_array("shift", random.normal(size=(size, 3)))
        atoms.new_array("kind", np.array([f"site{index % 3}" for index in range(size)]))
        atoms.new_array("free", random.random(size) < 0.5)
    results = {
        "energy": random.normal() * 1e3,
        "free_energy": random.normal() * 1e3,
        "forces": random.normal(size=(size, 3)),
        "stress": random.normal(size=6) / 100,
        "magmoms": random.normal(size=size),
        "charges": random.normal(size=size),
        "dipole": random.normal(size=3),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(results)), unique=True))
    if chosen:
        found = {name: results[name] for name in chosen}
        atoms.calc = SinglePointCalculator(atoms, **found)
    return atoms


@settings(deadline=None)
@given(st.lists(images(), min_size=1, max_size=4), st.sampled_from([64, 1 << 20]))
def test_what_ase_writes_is_read_as_ase_reads_it(written: list[Any], block: int) -> None:
    from ase.io import write

    text = io.StringIO()
    write(text, written, format="extxyz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "BLOCK", block)
        stream = io.BytesIO(text.getvalue().encode())
        found = list(ExtendedXYZReader().read(_Given(stream)))  # type: ignore[arg-type]
    theirs = ase_frames(text.getvalue())
    assert len(found) == len(theirs)
    for frame, atoms in zip(found, theirs, strict=True):
        assert isinstance(frame, Frame), frame
        assert_same_as_ase(frame, atoms)


class _Given:
    """A file that is in memory."""

    path, stem = Path("mine.extxyz"), "mine"

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def open(self) -> io.BytesIO:
        return self._stream


EMPTY = re.compile(r"""=\s*(?:""|''|\{\}|\[\])*\s*(?<=[\s"'}\]])[^\s=]+\s*=""")
"""A value that is empty, for which ASE takes the next key."""


@settings(deadline=None)
@given(st.text("ab =\"'{}[]\\,1.T\t_", max_size=20).filter(str.strip))
def test_a_second_line_is_divided_as_ase_divides_it(line: str) -> None:
    extxyz = pytest.importorskip("ase.io.extxyz", reason="needs ASE: pip install ase")
    if EMPTY.search(line):
        reject()
    try:
        expected = extxyz.key_val_str_to_dict(line)
    except IndexError:  # ASE gives up where a line begins with the sign
        reject()
    expected.pop("", None)  # what is left of quotes around nothing
    found = second_line.split_pairs(line.encode())
    found.pop("", None)
    assert found.keys() == expected.keys()
    for key, theirs in expected.items():
        mine = second_line.parse_value(key, found[key])
        assert same(mine, theirs), key


@pytest.mark.parametrize("empty", ["note=", 'note=""', "note = ''", "note={}", "note=[]"])
@pytest.mark.parametrize("sign", ["=", " =", " = ", "= "])
def test_a_value_that_is_empty_takes_no_other_key_for_itself(
    tmp_path: Path, empty: str, sign: str
) -> None:
    """As ASE writes ``atoms.info["note"] = ""``: it loses the energy itself, or ``pbc``."""
    for order in (f'{empty} energy{sign}-3 pbc="T T F"', f'{empty} pbc{sign}"T T F" energy=-3'):
        frame = only(tmp_path, f"1\n{CELL} {order} {empty}\nH 0 0 0\n")
        assert frame.values == {"note": "", "energy": -3}
        assert tuple(frame.pbc) == (True, True, False)


DIALECTS = {
    "plain": "2\nwater, cut in half\nO 0 0 0\nH 0.96 0 0\n",
    "more columns than are told": "1\n\nH 0 0 0 0.1 0.2 0.3\n",
    "capitals": f"2\n{CELL}\nNA 0 0 0\nCL 2 2 2\n",
    "small letters": f"1\n{CELL}\ncl 2 2 2\n",
    "atomic numbers": f"1\n{CELL} Properties=Z:I:1:pos:R:3\n17 2 2 2\n",
    "other order": f"1\n{CELL} Properties=pos:R:3:species:S:1:charge:R:1\n1 2 3 Na 0.5\n",
    "blanks round the sign": f"1\n{CELL} energy = -1 Properties = species:S:1:pos:R:3\nH 0 0 0\n",
    "brackets": '1\nLattice=[4,0,0,0,4,0,0,0,4] pbc=[T,T,F] d={1 2 3} x="a \\"b\\""\nH 0 0 0\n',
    "vectors behind the atoms": "1\nslab\nH 0 0 0\nVEC1 4 0 0\nVEC2 0 4 0\nVEC3 0 0 9\n",
    "periodic without a cell": '1\npbc="F F F"\nH 0 0 0\n',
    "one flag": f"1\n{CELL} pbc=F\nH 0 0 0\n",
    "virial": f'1\n{CELL} virial="1 2 3 4 5 6 7 8 9" stress="1 2 3 2 5 6 3 6 9"\nH 0 0 0\n',
    "windows": f"1\r\n{CELL} energy=-1.5\r\nH 0 0 0\r\n",
    "REF keys": f"1\n{CELL} Properties=species:S:1:pos:R:3:REF_f:R:3 REF_e=2\nH 0 0 0 1 2 3\n",
    "logical words": f"1\n{CELL} Properties=species:S:1:pos:R:3:move_mask:L:1\nH 0 0 0 False\n",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_are_read_as_ase_reads_them(tmp_path: Path, dialect: str) -> None:
    (atoms,) = ase_frames(DIALECTS[dialect])
    assert_same_as_ase(only(tmp_path, DIALECTS[dialect]), atoms)


@pytest.mark.parametrize(
    ("line", "key", "expected"),
    [
        ('LATTICE="4 0 0 0 4 0 0 0 4"', None, None),
        ('lattice = "4 0 0 0 4 0 0 0 4" properties=species:S:1:pos:R:3', None, None),
        (f'{CELL} stress="1 2 3 4 5 6"', "stress", [1, 2, 3, 4, 5, 6]),
        (f"{CELL} id=007", "id", "007"),
    ],
)
def test_what_ase_cannot_read(tmp_path: Path, line: str, key: str | None, expected: Any) -> None:
    frame = only(tmp_path, f"1\n{line}\nH 1 2 3\n")
    assert np.array_equal(frame.cell, 4 * np.eye(3))
    assert frame.name == ("007" if key == "id" else "mine-000000")
    if key is not None:
        assert np.array_equal(frame.values[key], expected)


def test_an_atom_is_fixed_where_it_cannot_move_in_any_direction(tmp_path: Path) -> None:
    header = f"{CELL} Properties=species:S:1:pos:R:3:move_mask:L:3"
    frame = only(tmp_path, f"2\n{header}\nH 0 0 0 F F F\nH 1 1 1 T F F\n")
    assert np.asarray(frame.site_properties["fixed"]).tolist() == [1, 0]


GOOD = f"2\n{CELL} id=good energy=1\nNa 0 0 0\nCl 2 2 2\n"
BROKEN = {
    "a word for a number": (f"1\n{CELL} id=bad\nH 0 x 0\n", "has an atom that is not as"),
    "a short line": (f"2\n{CELL} id=bad\nH 0 0\nH 1 1 1\n", "has an atom that is not as"),
    "a strange type": (f"1\n{CELL} Properties=species:Q:1 id=bad\nH\n", "is not understood"),
    "no coordinates": (f"1\n{CELL} Properties=species:S:1 id=bad\nH\n", "no three coordinates"),
    "no elements": (f"1\n{CELL} Properties=pos:R:3 id=bad\n0 0 0\n", "what its atoms are"),
    "half a cell": ('1\nLattice="4 0 0" id=bad\nH 0 0 0\n', "no 'Lattice' of nine numbers"),
    "flags that are one word": (f"1\n{CELL} pbc=TTF id=bad\nH 0 0 0\n", "three directions"),
    "two energies": (f"1\n{CELL} energy=-1 id=bad energy=-2\nH 0 0 0\n", "two values of 'energy'"),
    "two cells": (
        f"1\n{CELL} lattice='5 0 0 0 5 0 0 0 5' id=bad\nH 0 0 0\n",
        "two values of 'Lattice'",
    ),
    "two columns of one name": (
        f"1\n{CELL} Properties=species:S:1:pos:R:3:forces:R:3:forces:R:3 id=bad\n"
        "H 0 0 0 1 1 1 2 2 2\n",
        "names 'forces' twice",
    ),
    "two flags": (f'1\n{CELL} pbc="T T" id=bad\nH 0 0 0\n', "three directions"),
    "atoms that are missing": (f"3\n{CELL} id=bad\nH 0 0 0\n", "ends before its last atom"),
    "no atoms, one frame's length": (f"4\n{CELL} id=bad\n", "ends before its last atom"),
    "a torn line": (f"2\n{CELL} id=bad\nH 0 0 0\nH 1.\n", "has an atom that is not as"),
    "lines of no frame": ("what?\nis this\n", "does not begin with its number of atoms"),
    "too many columns": (
        f"1\n{CELL} Properties=species:S:1:pos:R:3 id=bad\nH 0 0 0 1\n",
        "has an atom that is not as",
    ),
}


@pytest.mark.parametrize("block", [1 << 20, 64])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_frame_is_named_and_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, block: int
) -> None:
    monkeypatch.setattr(scan, "BLOCK", block)
    text, reason = BROKEN[fault]
    found = records(tmp_path, GOOD + text + GOOD + GOOD)
    assert [type(one) for one in found] == [Frame, Rejection, Frame, Frame]
    rejection = found[1]
    assert isinstance(rejection, Rejection)
    assert reason in rejection.reason
    assert rejection.id == ("mine-000001" if fault == "lines of no frame" else "bad")
    assert [one.values["energy"] for one in found if isinstance(one, Frame)] == [1, 1, 1]


@pytest.mark.parametrize("block", [1 << 20, 64])
def test_a_frame_that_is_cut_within_a_number_is_not_read_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(scan, "BLOCK", block)
    torn = f"2\n{CELL} id=bad\nH 0 0 0\nH 1.5 1.5 1."
    found = records(tmp_path, GOOD + torn + GOOD + GOOD)  # the next number of atoms seems its end
    assert [type(one) for one in found] == [Frame, Rejection, Rejection, Frame]
    assert found[1] == Rejection("bad", "The frame is cut within its last atom.")


@pytest.mark.parametrize("cut", [3, 25, 60])
def test_a_file_that_breaks_off_loses_its_last_frame(tmp_path: Path, cut: int) -> None:
    found = records(tmp_path, GOOD + GOOD[:-cut])
    assert [type(one) for one in found] == [Frame, Rejection]


@pytest.mark.parametrize("text", ["what?\n", "\x00\x01\x02\n" * 50, "-3\n\nH 0 0 0\n"])
def test_a_file_without_frames_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"mine.extxyz' is no extended XYZ file: it does not begin"):
        records(tmp_path, text)


@pytest.mark.parametrize("count", ["1" * 30, "9" * 5000, "99999999999"])
def test_an_absurd_number_of_atoms_costs_one_frame(tmp_path: Path, count: str) -> None:
    found = records(tmp_path, GOOD + GOOD.replace("2\n", f"{count}\n", 1) + GOOD)
    assert [type(one) for one in found] == [Frame, Rejection, Frame]


def test_a_molecule_has_no_cell(tmp_path: Path) -> None:
    frame = only(tmp_path, DIALECTS["plain"])
    assert np.array_equal(frame.cell, np.zeros((3, 3)))
    assert tuple(frame.pbc) == (False, False, False)


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.xyz", b"", True),
        ("a.XYZ.gz", b"", True),
        ("a.dat", f"2\n{CELL}\n".encode(), True),
        ("a.dat", b"2\nProperties=species:S:1", True),
        ("a.dat", b"2\nwater\nO 0 0 0", False),
        ("a.json", b"{}", False),
    ],
)
def test_it_is_told_by_its_content(name: str, head: bytes, expected: bool) -> None:
    assert is_extended_xyz(Path(name), head) is expected


def test_a_second_line_that_is_made_to_take_long_does_not() -> None:
    for line in ("a = b " * 20_000 + '"', "a" * 200_000 + '"', "a " * 50_000 + "= ="):
        start = time.perf_counter()
        second_line.split_pairs(line.encode())
        assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("comment", "species", "reason"),
    [
        (
            "# CELL(abcABC): 7.6 7.6 7.6 90.0 90.0 90.0 Step: 0 Bead: 0 positions{atomic_unit} "
            "cell{atomic_unit}",
            ("Cu", "Au"),
            "format='ase'",
        ),
        ("Atoms. Timestep: 0", ("1", "2"), "dump_modify"),
    ],
    ids=["i-PI", "LAMMPS"],
)
def test_plain_frames_whose_numbers_mean_something_else_are_rejected(
    tmp_path, comment, species, reason
):
    text = f"2\n{comment}\n{species[0]} 0 0 0\n{species[1]} 3 3 3\n"
    (record,) = records(tmp_path, text)
    assert isinstance(record, Rejection)
    assert reason in record.reason


def test_a_lammps_frame_with_symbols_is_read(tmp_path):
    frame = only(tmp_path, "2\nAtoms. Timestep: 0\nCu 0 0 0\nAu 3 3 3\n")
    assert frame.atomic_numbers.tolist() == [29, 79]
