"""An imported dataset is one like any other: listed, opened, split, run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from matsciml_cli.app import execute
from matsciml_core.data.ingestion.conversion import Conversion
from matsciml_core.data.readers import (
    ImportedDataset,
    ImportRequest,
    Naming,
    add_dataset,
    parse_files,
    remove_dataset,
)
from matsciml_core.errors import ConfigError, DataError, RegistryError
from matsciml_core.registry.imported import ImportedSpec
from matsciml_core.registry.manager import build_registry

CELL = [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]]


def entry(number: int) -> dict:
    return {
        "id": f"m-{number}",
        "energy": -float(number),
        "run": number // 10,
        "structure": {
            "lattice": {"matrix": CELL},
            "sites": [
                {"species": [{"element": "Na", "occu": 1}], "abc": [0, 0, 0]},
                {"species": [{"element": "Cl", "occu": 1}], "abc": [0.5, 0.5, 0.4 + number / 900]},
            ],
        },
    }


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([entry(number) for number in range(40)]))
    return path


SETTINGS = {"labels": ("energy=eV",), "licence": "CC0-1.0", "source": "my cluster"}


def parse(*paths: Path, **settings: Any) -> Conversion:
    """Parse files with the readers of tables and of extended XYZ."""
    registry = build_registry(only=["matsciml-reader-tables"])
    return parse_files(ImportRequest(paths=paths, **settings), registry)


def test_the_registry_finds_it_and_opens_it(file, data):
    manifest = add_dataset("mine", parse(file, **SETTINGS))
    assert manifest.accepted == 40
    registry = build_registry()
    spec = registry.get("dataset", "mine")
    assert isinstance(spec, ImportedSpec)
    assert (spec.size, spec.licence, spec.source) == (40, "CC0-1.0", "my cluster")
    assert [target.name for target in spec.targets] == ["energy"]
    dataset = spec.load()(None)
    assert isinstance(dataset, ImportedDataset)
    assert dataset[3].labels["energy"] == -3.0
    assert dataset[3].positions[1] == pytest.approx([2, 2, 4 * (0.4 + 3 / 900)])
    assert "imported" not in registry.distributions()
    assert Path(spec.folder) == data / "datasets" / "mine"


def test_listing_loads_neither_torch_nor_numpy(file, data):
    add_dataset("mine", parse(file, **SETTINGS))
    code = (
        "import sys; from matsciml_core.registry.manager import build_registry\n"
        "registry = build_registry(only=[])\n"
        "assert [spec.name for spec in registry.specs('dataset')] == ['mine']\n"
        "print(sorted({'torch', 'numpy', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MATSCIML_DATA": str(data)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_importing_again_does_nothing_and_other_data_need_consent(file):
    add_dataset("mine", parse(file, **SETTINGS))
    add_dataset("mine", parse(file, **SETTINGS))
    file.write_text(json.dumps([entry(1)]))
    with pytest.raises(DataError, match="--replace"):
        add_dataset("mine", parse(file, **SETTINGS))
    assert add_dataset("mine", parse(file, **SETTINGS), replace_existing=True).accepted == 1


def test_the_store_may_lie_elsewhere(file, tmp_path, data):
    add_dataset("mine", parse(file, **SETTINGS), to=tmp_path / "big" / "disk")
    assert (tmp_path / "big" / "disk" / "index.json").exists()
    assert len(build_registry().get("dataset", "mine").load()(None)) == 40
    remove_dataset("mine")
    assert build_registry(only=[]).specs("dataset") == []


def test_a_damaged_dataset_is_shown_as_failed_and_harms_nothing(file, data):
    add_dataset("mine", parse(file, **SETTINGS))
    add_dataset("other", parse(file, **SETTINGS))
    (data / "datasets" / "mine" / "store" / "index.json").write_text("{")
    registry = build_registry(only=[])
    assert [spec.name for spec in registry.specs("dataset")] == ["other"]
    failed = next(record for record in registry.plugins if record.state == "failed")
    assert "cannot be read" in failed.sentence()
    assert "Import the data again" in failed.sentence()


@pytest.mark.parametrize(
    "record",
    [
        "", "[]", "[" * 100_000, "\x00", '"text"', "null",
        '{"format": "matsciml-dataset"}',
        '{"format": "matsciml-dataset", "version": "x", "store": "store", "summary": ""}',
        '{"format": "matsciml-dataset", "version": 1, "store": ["a"], "summary": ""}',
        '{"format": "matsciml-dataset", "version": 1, "store": "store", "summary": ["a"]}',
        '{"format": "matsciml-dataset", "version": 1, "store": "store\\u0000", "summary": ""}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["list-plugins", "doctor", "list-tasks"])
def test_no_record_of_a_dataset_stops_a_command(file, data, record, command, capsys):
    add_dataset("mine", parse(file, **SETTINGS))
    (data / "datasets" / "mine" / "dataset.json").write_text(record)
    assert execute([command]) in (0, 1)  # doctor has something to say
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err


@pytest.mark.parametrize("part", ["summary", "licence", "count", "targets", "references"])
@pytest.mark.parametrize("value", [None, [[1]], {"a": {}}, 1.5])
def test_no_index_of_a_store_stops_a_command(file, data, part, value, capsys):
    add_dataset("mine", parse(file, **SETTINGS))
    index = data / "datasets" / "mine" / "store" / "index.json"
    content = json.loads(index.read_text())
    content["meta"][part] = value
    index.write_text(json.dumps(content))
    assert execute(["list-plugins"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_an_unfinished_import_is_not_listed_and_goes_on(file, data):
    conversion = parse(file, **SETTINGS)

    def failing(start):
        for number, item in enumerate(conversion.source(start), start):
            if number == 30:
                raise RuntimeError("stop")
            yield item

    with pytest.raises(RuntimeError):
        add_dataset("mine", type(conversion)(**{**vars(conversion), "source": failing}))
    assert build_registry(only=[]).specs("dataset") == []
    assert add_dataset("mine", conversion).accepted == 40


def test_a_misspelt_label_is_noticed_at_once(file):
    with pytest.raises(ConfigError, match=r"no value 'enrgy'. Did you mean 'energy'?"):
        parse(file, labels=("enrgy=eV",))
    with pytest.raises(ConfigError, match=r"at least one label.*have: energy, id, run"):
        parse(file, labels=())


def test_a_table_adds_labels(file, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("id,gap\nm-0,1.5\nm-2,2500\n")
    settings = {"labels": ("gap=meV", "energy=eV"), "table": table}
    add_dataset("mine", parse(file, **settings))
    dataset = build_registry().get("dataset", "mine").load()(None)
    assert dataset[0].labels["gap"] == pytest.approx(0.0015)
    assert "gap" not in dataset[1].labels
    assert dataset[2].labels["gap"] == pytest.approx(2.5)


def test_trajectories_become_part_of_the_ids(file):
    settings = {"labels": ("energy=eV",), "naming": Naming(trajectory="run")}
    add_dataset("mine", parse(file, **settings))
    dataset = build_registry().get("dataset", "mine").load()(None)
    assert dataset.ids[:2] == ["0/m-0", "0/m-1"]
    assert dataset.ids[-1] == "3/m-39"


def test_a_strange_name_is_refused(file):
    with pytest.raises(RegistryError, match="not a valid dataset name"):
        add_dataset("../mine", parse(file, **SETTINGS))
    with pytest.raises(RegistryError, match="not a valid dataset name"):
        add_dataset("My Data", parse(file, **SETTINGS))


def test_a_label_that_is_declared_twice_is_refused(file):
    with pytest.raises(ConfigError, match="'energy' is declared twice"):
        parse(file, labels=("energy=eV", "energy=run:eV"))


def test_structures_alone_want_a_table(tmp_path):
    file = tmp_path / "alone.json"
    file.write_text(json.dumps({"a": entry(1)["structure"]}))
    with pytest.raises(ConfigError, match=r"structures and nothing else.*--table"):
        parse(file, labels=("energy=eV",))


def test_a_table_of_other_ids_is_refused(file, tmp_path):
    (tmp_path / "gaps.csv").write_text("id;gap\nx-1;0.5\n")
    settings = {"labels": ("gap=eV",), "table": tmp_path / "gaps.csv"}
    with pytest.raises(ConfigError, match=r"ids look like 'x-1', those of .* like 'm-0'"):
        parse(file, **settings)


def test_fractions_are_understood_where_a_person_says_so(tmp_path, data):
    file = tmp_path / "fractions.extxyz"
    lines = [f"{symbol} {x} {x} {x}" for symbol, x in (("Na", 0.0), ("Cl", 0.5))]
    header = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 energy=-1 pbc="T T T"'
    file.write_text("\n".join(["2", header, *lines]) + "\n")
    with pytest.raises(DataError, match=r"fractions-0+. for example, .*with --fractional"):
        add_dataset("wrong", parse(file, labels=("energy=eV",)))
    add_dataset("right", parse(file, labels=("energy=eV",), fractional=True))
    crystal = build_registry(only=[]).get("dataset", "right").load()(None)[0]
    assert crystal.positions.tolist() == [[0, 0, 0], [2, 2, 2]]


def test_fractions_are_refused_where_the_format_says_what_it_has(file):
    with pytest.raises(ConfigError, match="'json' says itself"):
        parse(file, labels=("energy=eV",), fractional=True)


def test_what_is_fixed_stays_known(tmp_path, data):
    ase = pytest.importorskip("ase", reason="needs ASE: pip install ase")
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.constraints import FixAtoms
    from ase.io import write

    slab = ase.Atoms("CuCuO", [[0, 0, 2], [0, 0, 4], [0, 0, 6]], cell=[3, 3, 12], pbc=True)
    slab.set_constraint(FixAtoms([0]))
    slab.set_tags([0, 1, 2])
    slab.calc = SinglePointCalculator(slab, energy=-9.0)
    write(tmp_path / "slabs.extxyz", [slab])
    add_dataset("slabs", parse(tmp_path / "slabs.extxyz", **SETTINGS))
    (crystal,) = ImportedDataset(str(data / "datasets" / "slabs")).__getitems__([0]).crystals()
    site_properties = {name: values.tolist() for name, values in crystal.site_properties.items()}
    assert site_properties == {"fixed": [1, 0, 0], "tags": [0, 1, 2]}


def test_large_crystals_can_be_left_out(tmp_path, data):
    entries = [entry(number) for number in range(20)]
    for one in entries[::2]:
        del one["structure"]["sites"][1]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(entries))
    add_dataset("mine", parse(path, **SETTINGS))
    spec = build_registry().get("dataset", "mine")
    config = spec.load_config()
    small = spec.load()(config.from_options({"max_atoms": 1}, where="dataset"))
    assert small.ids == [f"m-{number}" for number in range(0, 20, 2)]
    assert len(spec.load()(config())) == 20
