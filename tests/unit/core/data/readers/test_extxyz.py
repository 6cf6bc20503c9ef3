"""The fast reader of extended XYZ says what ASE and ``float`` say, however the file is written."""

from __future__ import annotations

import io
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matsciml_core.data.readers.extxyz import XYZFrame, read_extended_xyz, scan, second_line
from matsciml_core.errors import DataError

HEADER = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:tags:I:1 energy=-1.5'


def read(text: str | bytes) -> list[XYZFrame]:
    return list(read_extended_xyz(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def frame_text(*lines: str, header: str = HEADER) -> str:
    return "\n".join([str(len(lines)), header, *lines]) + "\n"


def columns_of(*lines: str, kinds: str = "value:R:1") -> dict[str, np.ndarray]:
    (frame,) = read(frame_text(*lines, header=f"Properties=species:S:1:{kinds}"))
    return dict(frame.columns)


@pytest.fixture
def no_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where the fast way gives up."""

    def fail(*arguments: object) -> None:
        raise AssertionError("the lines were split at blanks")

    monkeypatch.setattr(scan, "split_lines", fail)


def images(count: int, atoms: int = 7) -> list:
    ase = pytest.importorskip("ase")
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.constraints import FixAtoms

    made = []
    for number in range(count):
        random = np.random.default_rng(number)
        size = 1 + (number * 5) % atoms
        positions = random.normal(size=(size, 3)) * 10.0 ** random.integers(-3, 4, (size, 3))
        one = ase.Atoms(
            random.integers(1, 119, size),
            positions,
            cell=random.normal(size=(3, 3)) + 5 * np.eye(3),
            pbc=random.random(3) < 0.5,
            tags=random.integers(0, 3, size),
        )
        one.set_constraint(FixAtoms(mask=random.random(size) < 0.5))
        energy, forces = random.normal() * 100, random.normal(size=(size, 3))
        one.calc = SinglePointCalculator(one, energy=energy, forces=forces)
        made.append(one)
    return made


@pytest.mark.parametrize("block", [1 << 20, 700, 64])
def test_it_agrees_with_ase(monkeypatch: pytest.MonkeyPatch, block: int, no_slow_way: None) -> None:
    monkeypatch.setattr(scan, "BLOCK", block)
    text = io.StringIO()
    from ase.io import iread, write

    write(text, images(40), format="extxyz")
    found = read(text.getvalue())
    expected = list(iread(io.StringIO(text.getvalue()), index=":", format="extxyz"))
    assert len(found) == len(expected) == 40
    for mine, theirs in zip(found, expected, strict=True):
        held = np.zeros(len(theirs), dtype=bool)
        for constraint in theirs.constraints:
            held[constraint.index] = True
        assert np.array_equal(mine.columns["species"], theirs.numbers)
        assert np.array_equal(mine.columns["pos"], theirs.positions)
        assert np.array_equal(mine.columns["forces"], theirs.calc.results["forces"])
        assert mine.number("energy") == theirs.calc.results["energy"]
        assert np.array_equal(mine.cell, theirs.cell.array)
        assert mine.pbc == tuple(theirs.pbc)
        if "move_mask" in mine.columns:
            assert np.array_equal(~mine.columns["move_mask"], held)
        tags = mine.columns.get("tags", np.zeros(len(theirs)))
        assert np.array_equal(tags, theirs.get_tags())


@given(st.lists(st.integers(-(10**14), 10**14), min_size=1, max_size=8), st.integers(0, 8))
def test_every_number_is_what_float_says(numbers: list[int], decimals: int) -> None:
    texts = [f"{number / 10**decimals:.{decimals}f}" for number in numbers]
    width = max(map(len, texts))
    found = columns_of(*(f"H {text:>{width}}" for text in texts))["value"]
    assert found.tolist() == [float(text) for text in texts]
    assert np.signbit(found).tolist() == [text.startswith("-") for text in texts]


@pytest.mark.parametrize(
    "text",
    ["0.5", "-0.5", "12345678.5", "-1234567.25", "0.12345678", "-0.00000001", "-0.0", "00.5"],
)
def test_the_fast_way_reads_plain_numbers(text: str, no_slow_way: None) -> None:
    (value,) = columns_of(f"H  {text}")["value"]
    assert value == float(text)
    assert np.signbit(value) == text.startswith("-")


@pytest.mark.parametrize(
    "text", ["1e-5", "1.5E+3", "+1.5", "1.", ".5", "7", "nan", "123456789.123456789", "-.5"]
)
def test_other_forms_are_read_the_slow_way(text: str) -> None:
    (value,) = columns_of(f"H  {text}")["value"]
    assert value == pytest.approx(float(text), rel=0, nan_ok=True)


@pytest.mark.parametrize("text", ["1.5x", "1-2.5", "1 2.5", "--1.5", "1.2.3", "x", ":.5", "1.?"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="Frame 0 has an atom that is not as 'Properties' says"):
        columns_of(f"H  {text}")


def test_lines_of_different_widths() -> None:
    text = frame_text("H 1 2.5 3 0", "Cl -10 2 3.25 1") + frame_text("He 1 2 3 7")
    first, second = read(text)
    assert first.columns["species"].tolist() == [1, 17]
    assert first.columns["pos"].tolist() == [[1, 2.5, 3], [-10, 2, 3.25]]
    assert first.columns["tags"].tolist() == [0, 1]
    assert second.columns["pos"].tolist() == [[1, 2, 3]]


def test_as_many_characters_but_not_as_many_lines() -> None:
    # Three lines of 12 characters' worth, of which one is longer and one shorter.
    text = frame_text("H 1 2 3 0", "Cl 1 2 3 0", "H 1 2 3.5") + "not a frame"
    with pytest.raises(DataError):
        read(text)
    lines = ("H 1.5 2 3 0", "Cl 1.25 2 3 1", "H 1 2 3 22")
    (frame,) = read(frame_text(*lines))
    assert frame.columns["tags"].tolist() == [0, 1, 22]


def test_columns_that_are_aligned_at_the_left(no_slow_way: None) -> None:
    lines = ("H  1.5 x1  T", "Cl 2.5 abc F")
    found = columns_of(*lines, kinds="value:R:1:kind:S:1:free:L:1")
    assert found["species"].tolist() == [1, 17]
    assert found["kind"].tolist() == [b"x1", b"abc"]
    assert found["free"].tolist() == [True, False]


def test_integers_with_signs(no_slow_way: None) -> None:
    found = columns_of("H  12", "H  -3", "H   0", kinds="value:I:1")["value"]
    assert found.tolist() == [12, -3, 0]
    assert found.dtype == np.int64


def test_an_unknown_symbol_is_number_zero() -> None:
    assert columns_of("Xx 1.5", "H  1.5")["species"].tolist() == [0, 1]
    assert columns_of("Cu2 1.5", "H 1.25")["species"].tolist() == [0, 1]


def test_the_second_line(no_slow_way: None) -> None:
    header = f"{HEADER} pbc='T F T' name=a/b-1 note=\"two words\" flag"
    (frame,) = read(frame_text("H  1.5 2.5 3.5 0", header=header))
    assert frame.info["note"] == "two words"
    assert frame.info["name"] == "a/b-1"
    assert frame.pbc == (True, False, True)
    assert frame.number("energy") == -1.5
    with pytest.raises(DataError, match="no number 'free_energy'"):
        frame.number("free_energy")
    with pytest.raises(DataError, match="no number 'note'"):
        frame.number("note")


def test_a_plain_xyz_file_has_species_and_positions() -> None:
    (frame,) = read("1\nwater\nO 0.0 1.0 2.0\n")
    assert frame.columns["pos"].tolist() == [[0, 1, 2]]
    with pytest.raises(DataError, match="no 'Lattice'"):
        _ = frame.cell


@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n"])
def test_the_end_of_a_file(end: str) -> None:
    assert len(read(frame_text("H  1.5 2.5 3.5 0").rstrip("\n") + end)) == 1
    assert read(end) == []


@pytest.mark.parametrize("cut", [2, 5, 40, 95])
def test_a_cut_frame_is_an_error_behind_the_whole_ones(cut: int) -> None:
    whole = frame_text("H  1.5 2.5 3.5 0", "Cl 1.5 2.5 3.5 0")
    frames = read_extended_xyz(io.BytesIO((whole + whole[:-cut]).encode()))
    assert len(next(frames).columns["pos"]) == 2
    with pytest.raises(DataError, match="Frame 1"):
        list(frames)


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5"])
def test_a_frame_begins_with_its_number_of_atoms(count: str) -> None:
    text = frame_text("H  1.5 2.5 3.5 0")
    with pytest.raises(DataError, match="Frame 1 does not begin with its number of atoms"):
        read(text + count + text[1:])


def test_a_description_that_is_not_understood() -> None:
    with pytest.raises(DataError, match="'Properties=species:Q:1' is not understood"):
        read(frame_text("H", header="Properties=species:Q:1"))


def test_a_file_that_is_no_xyz_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "LONGEST_FRAME", 1000)
    monkeypatch.setattr(scan, "BLOCK", 100)
    with pytest.raises(DataError, match="Frame 0 is longer than"):
        read("99999999\ncomment\n" + "H 0 0 0\n" * 1000)


@pytest.mark.parametrize("block", [1 << 20, 64])
@pytest.mark.parametrize("atoms", [1, 2, 5])
def test_a_number_in_which_a_file_ends_is_not_taken_for_whole(
    monkeypatch: pytest.MonkeyPatch, block: int, atoms: int
) -> None:
    """What is left of 0.12345678 may be 0.1, in a line that has all of its columns."""
    monkeypatch.setattr(scan, "BLOCK", block)
    lines = [f"H  {row}.25000000 1.50000000 -2.12345678" for row in range(atoms)]
    header = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3'
    text = frame_text(*lines, header=header) * 3
    assert len(read(text)) == len(read(text[:-1])) == 3  # an end of a line may be missing
    for kept in (2, 4, 9):
        with pytest.raises(DataError, match="Frame 2 is cut within its last atom"):
            read(text[: -len("-2.12345678\n") + kept])


def test_a_frame_by_hand_behind_those_of_a_program_needs_no_end() -> None:
    header = "Properties=species:S:1:pos:R:3"
    text = frame_text("H 0.25000000 1.50000000 -2.12345678", header=header) * 3
    assert len(read(text + frame_text("H 0 0 0", header=header)[:-1])) == 4


@pytest.mark.parametrize(
    ("kind", "entries"),
    [
        ("R", ["1.5", "-2.125", "0.25", "1.5"]),
        ("R", ["12", "13", "14", "7"]),
        ("S", ["yes", "no", "yes", "x"]),
    ],
)
def test_a_last_entry_that_may_be_short_needs_no_end(kind: str, entries: list[str]) -> None:
    header = f"Properties=species:S:1:pos:R:3:value:{kind}:1"
    text = frame_text(*[f"H {row} 0 0 {entry}" for row, entry in enumerate(entries)], header=header)
    (frame,) = read(text[:-1])
    assert len(frame.columns["value"]) == len(entries)


def test_packed_files_are_read_as_a_stream(tmp_path: Path) -> None:
    file = tmp_path / "0.extxyz.xz"
    file.write_bytes(lzma.compress(frame_text("H  1.5 2.5 3.5 0").encode() * 500))
    with lzma.open(file) as stream:
        assert sum(1 for _ in read_extended_xyz(stream)) == 500


def test_second_lines_of_the_usual_form_and_others_say_the_same():
    """The quick way takes a line as the careful one does, or leaves it to that."""
    random = np.random.default_rng(0)
    usual = ["a", "b=1", 'c="1 2"', "k,l", "m=-1e-3", 'n="x y"']
    pieces = usual * 3 + ['d = "3"', "=", '"', "e=", " ", "f=g=h", "'i j'", '""']
    lines = [
        joint.join(random.choice(pieces, size=random.integers(1, 6))).strip()
        for joint in (" ", "  ", "")
        for _ in range(500)
    ]
    quick = {line: second_line._split_usual(line) for line in lines}
    taken = [line for line, pairs in quick.items() if pairs is not None]
    assert 100 < len(taken) < len(quick)
    for line in taken:
        assert quick[line] == second_line._split_slowly(line), line
