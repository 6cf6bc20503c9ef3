"""Importing never costs what there was, and finds labels and marks wherever they stand."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from matsciml_core.data.readers import ImportRequest, Naming, add_dataset, imported, parse_files
from matsciml_core.data.readers.imported import ImportedDataset
from matsciml_core.data.readers.tables import read_table
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.manager import build_registry

FRAME = """1
Lattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 {pairs}
Cu 0 0 0
"""


def write(path, count, pairs="energy={index}.5"):
    path.write_text("".join(FRAME.format(pairs=pairs.format(index=i)) for i in range(count)))
    return path


def run(*paths, labels=("energy=eV",), to=None, **options):
    request = ImportRequest(paths=paths, labels=labels, **options)
    conversion = parse_files(request, build_registry(only=[]))
    return add_dataset("mine", conversion, to=to, replace_existing=True)


def present():
    return ImportedDataset(str(dataset_folder("mine")))


def test_replacing_keeps_what_there_was_until_the_new_one_is_complete(tmp_path):
    run(write(tmp_path / "a.xyz", 5))
    splits = dataset_folder("mine") / "splits"
    splits.mkdir()
    (splits / "mine.json").write_text("{}")
    with pytest.raises(ConfigError):
        run(write(tmp_path / "b.xyz", 3), labels=("gap=eV",))
    (tmp_path / "empty.xyz").write_text("")
    with pytest.raises(DataError):
        run(tmp_path / "empty.xyz")
    assert len(present()) == 5
    assert (splits / "mine.json").exists()
    for count in (3, 4, 2):  # the two folders take turns
        run(write(tmp_path / "b.xyz", count))
        assert len(present()) == count
        assert not splits.exists()
        assert len([p for p in dataset_folder("mine").iterdir() if p.is_dir()]) == 1


def test_replacing_in_a_folder_of_the_users(tmp_path):
    run(write(tmp_path / "a.xyz", 5), to=tmp_path / "store")
    run(write(tmp_path / "b.xyz", 3), to=tmp_path / "store")
    assert len(present()) == 3
    assert present().store.folder == tmp_path / "store"


def test_an_interrupted_replacement_costs_nothing(tmp_path, monkeypatch):
    run(write(tmp_path / "a.xyz", 5))

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(imported, "ingest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(write(tmp_path / "b.xyz", 3))
    assert len(present()) == 5


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_replacement_may_end_at_any_step(tmp_path, monkeypatch, elsewhere):
    """There is the old dataset with its splits, or the new one, and the same call goes on."""
    to = tmp_path / "store" if elsewhere else None
    old, new = write(tmp_path / "a.xyz", 5), write(tmp_path / "b.xyz", 3)
    split = dataset_folder("mine") / "splits" / "mine.json"
    outcomes = []
    for steps in range(20):
        run(old, to=to)
        split.parent.mkdir(exist_ok=True)
        split.write_text("{}")
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            stop_after(steps, patch)
            run(new, to=to)
            break
        outcomes.append(len(present()))
        assert outcomes[-1] == 3 or split.exists()
        run(new, to=to)
        assert len(present()) == 3
        assert to is None or present().store.folder == to
        assert not split.exists()
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {5, 3}


def stop_after(steps, patch):
    """Let the process end before one of the calls that change what lies on the disk."""
    left = [steps]

    def counted(function):
        def call(*arguments, **options):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return function(*arguments, **options)

        return call

    for where, name in ((shutil, "rmtree"), (Path, "replace"), (imported, "write_json")):
        patch.setattr(where, name, counted(getattr(where, name)))


def test_a_label_of_late_records_only_is_no_misspelling(tmp_path):
    early, late = write(tmp_path / "a.xyz", 80), write(tmp_path / "b.xyz", 3, "gap=1.5")
    assert run(early, late, labels=("gap=eV",)).accepted == 83
    with pytest.raises(ConfigError, match=r"There is no value 'gpa'\. Did you mean 'gap'"):
        run(early, late, labels=("gpa=eV",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"naming": Naming(column="nmae")}, "No record has the value 'nmae' that '--id' names"),
        ({"naming": Naming(trajectory="rn")}, "the value 'rn' that '--trajectory' names"),
        ({"per_atom": ("enrgy",)}, "'--per-atom enrgy' names no label"),
    ],
)
def test_other_names_are_checked_like_labels(tmp_path, options, message):
    path = write(tmp_path / "a.xyz", 3, "energy={index}.5 name=a-{index} run=r")
    with pytest.raises(ConfigError, match=message):
        run(path, **options)


def test_a_record_without_the_id_is_rejected(tmp_path):
    named, bare = write(tmp_path / "a.xyz", 3, "energy=1.0 tag=t-{index}"), tmp_path / "b.xyz"
    manifest = run(named, write(bare, 2), naming=Naming(column="tag"))
    assert manifest.accepted == 3
    (entry,) = manifest.rejected.values()
    assert "no value 'tag'" in entry["detail"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,gap,gap\na,1,2\n", "has two columns 'gap'"),
        ("id,gap\na,1,5\n", "a row of more entries than its header, 'a'"),
        ("id,gap,class\na,1.5,x\nb,2", "ends within its last row"),
        ("id,gap\na,1.52\nb,2.25\nc,2", "ends within its last row"),
        ('id,gap\na,1.5\n"b', "ends within its last row"),
    ],
)
def test_a_table_that_can_be_read_in_two_ways_is_refused(tmp_path, text, sentence):
    path = tmp_path / "gaps.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        read_table(path)


def test_a_table_whose_last_line_has_no_end_is_read(tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text("id,gap\na,1.52\nb,2.5\nc,2.5")
    assert [row["gap"] for row in read_table(path).values()] == ["1.52", "2.5", "2.5"]


def test_rows_of_a_table_without_a_structure_are_counted(tmp_path):
    path = write(tmp_path / "a.xyz", 2, "name=s{index}")
    table = tmp_path / "t.csv"
    table.write_text("id,gap\ns0,1.0\ns1,2.0\ns7,3.0\n")
    manifest = run(path, labels=("gap=eV",), table=table)
    assert (manifest.accepted, manifest.records) == (2, 3)
    assert manifest.rejected.popitem()[1]["examples"] == ["s7"]


def test_reasons_keep_the_numbers_of_the_first(tmp_path):
    good = FRAME.format(pairs="energy=1.5")
    path = tmp_path / "a.xyz"
    path.write_text(good + good.replace("3 0 0 0 3 0 0 0 3", "1 0 0 0 1 0 0 0 1"))
    (reason, entry), *_ = run(path).rejected.items()
    assert "… Å³ per atom" in reason
    assert "has 1 Å³ per atom" in entry["detail"]


def test_what_no_label_takes_is_named_wherever_it_stands(tmp_path):
    """Velocities, masses and charges, also of the last record alone, are not lost in silence."""
    first = write(tmp_path / "a.xyz", 70)
    late = FRAME.format(pairs="energy=1 charge=2 run=7").replace("pos:R:3", "pos:R:3:momenta:R:3")
    first.write_text(first.read_text() + late.replace("Cu 0 0 0", "Cu 0 0 0 1 0 0"))
    manifest = run(first)
    assert manifest.remarks == ["Left out, because no --label names them: charge, momenta, run."]
    labels = ("energy=eV", "charge=e", "momentum[atoms,3]=momenta:eV")
    assert run(first, labels=labels, naming=Naming(column="run")).remarks == []
    assert run(write(tmp_path / "b.xyz", 3, "energy=1 name=x{index}")).remarks == []


@pytest.mark.parametrize("label", ["stress=eV/A^3", "dielectric[3,3,symmetric]=1"])
def test_a_matrix_that_should_be_symmetric_and_is_not_is_rejected_with_its_numbers(tmp_path, label):
    key = label[: label.index("=")].partition("[")[0]
    path = tmp_path / "frames.extxyz"
    frame = '1\nLattice="3 0 0 0 3 0 0 0 3" energy=-1.0 {}="{}"\nCu 0 0 0\n'
    path.write_text(
        frame.format(key, "0.01 0.002 0 0 0.02 0 0 0 0.03")
        + frame.format(key, "0.01 0.002 0 0.00201 0.02 0 0 0 0.03")
    )
    first, second = parse_files(
        ImportRequest(paths=(path,), labels=(label,)), build_registry(only=[])
    ).source(0)
    # A stress is read column by column, as ASE does; other matrices row by row.
    values = "0 stands across the diagonal from 0.002", "0.002 stands across the diagonal from 0."
    assert any(text in first.detail for text in values)
    assert second.labels[key].shape == (3, 3)
