"""Files of crystals, broken ones included; datasets and runs as references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matsciml_core import Crystal, Registry, build_registry
from matsciml_core.convert import to_pymatgen
from matsciml_core.data.readers import read
from matsciml_core.data.readers.extxyz import write_frames
from matsciml_core.errors import ConfigError, DataError, UnknownNameError
from matsciml_core.testing.crystals import all_crystals, rutile
from matsciml_tool_generate.reference import read_file, read_reference, read_run_data
from matsciml_tool_generate.structures import ParsedStructure

BROKEN = """2
Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 id=first energy=-1.5
Na 0 0 0
Cl 2 2 2
2
Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 id=short-line
Na 0 0
Cl 2 2 2
2
Properties=species:S:1:pos:R:3 id=no-lattice
Na 0 0 0
Cl 2 2 2
1
Lattice="4 0 0 0 4 0 0 0 4" Properties=pos:R:3:species:S:1:charge:R:1 id=other-order
1 2 3 Na 0.5
1
Lattice="nan 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 id="an id with blanks"
Xx 0 0 0
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A file whose records are of every kind."""
    path = tmp_path / "broken.extxyz"
    path.write_text(BROKEN)
    return path


class TestExtendedXYZ:
    def test_one_broken_record_spoils_no_others(self, broken: Path, registry: Registry) -> None:
        found = read_file(broken, registry)
        assert [(one.name, one.fault) for one in found] == [
            ("first", ""),
            ("short-line", "it cannot be read"),
            ("no-lattice", "the cell has no volume"),
            ("other-order", ""),
            ("an id with blanks", "an atomic number is not between 1 and 118"),
        ]
        assert found[0].labels == {"energy": -1.5}
        assert found[3].crystal is not None
        assert found[3].crystal.positions.tolist() == [[1, 2, 3]]

    def test_file_that_breaks_off(self, tmp_path: Path, registry: Registry) -> None:
        path = tmp_path / "short.extxyz"
        path.write_text(BROKEN[: BROKEN.index("Cl 2 2 2")])
        assert [one.fault for one in read_file(path, registry)] == ["it cannot be read"]

    @pytest.mark.parametrize("number", ["1000000000000", "1" * 30, "-3"])
    def test_absurd_number_of_atoms(self, number: str, tmp_path: Path, registry: Registry) -> None:
        path = tmp_path / "absurd.extxyz"
        path.write_text(BROKEN.replace("2\n", f"{number}\n", 1))
        first = read_file(path, registry)[0]
        assert first.crystal is None

    def test_number_of_atoms_that_is_none(self, tmp_path: Path, registry: Registry) -> None:
        path = tmp_path / "shifted.extxyz"
        path.write_text(BROKEN + "what?\n" + BROKEN)
        found = read_file(path, registry)
        assert [one.name for one in found].count("first") == 2
        assert len(found) == 11
        path.write_text("what?\n")
        with pytest.raises(DataError, match="no extended XYZ file"):
            read_file(path, registry)


class TestFiles:
    def test_folder_of_cif(self, tmp_path: Path, registry: Registry) -> None:
        require_reader("cif", registry)
        (tmp_path / "good.cif").write_text(to_pymatgen(rutile()).to(fmt="cif"))
        (tmp_path / "bad.cif").write_text("data_nothing\n")
        found = {one.name: one for one in read_file(tmp_path, registry)}
        assert found["good"].crystal is not None
        assert found["bad"].fault == "it cannot be read"

    def test_cdvae_table(self, registry: Registry) -> None:
        require_reader("csv", registry)
        path = Path(__file__).parents[5] / "shared" / "data" / "cdvae" / "carbon_24_val.csv"
        if not path.is_file():
            pytest.skip(f"The file is not here: {path} does not exist.")
        from itertools import islice

        records = islice(read(path, registry=registry), 5)
        some = [ParsedStructure.from_record(one) for one in records]
        assert all(one.crystal is not None for one in some)
        assert some[0].name == "C-148264-7891-51"
        assert some[0].labels["energy_per_atom"] == -154.223695
        assert some[0].atomic_numbers == (6,) * 8

    def test_nothing_there(self, tmp_path: Path, registry: Registry) -> None:
        with pytest.raises(ConfigError, match="does not exist"):
            read_file(tmp_path / "none.extxyz", registry)
        (tmp_path / "empty.extxyz").write_text("")
        with pytest.raises(DataError, match="holds no structure"):
            read_file(tmp_path / "empty.extxyz", registry)


def require_reader(name: str, registry: Registry) -> None:
    """Skip a test of a format that no installed plugin reads."""
    if name not in [spec.name for spec in registry.specs("reader")]:
        pytest.skip(f"No reader of {name} is installed.")


DATASET = """
    from matsciml_core import DatasetSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        return [DatasetSpec(name="cubes", summary="Cubes.",
                            class_path="matsciml_core.testing.examples:ExampleDataset")]
"""


class TestReferences:
    @pytest.fixture
    def registry(self, plugin_folder: Any) -> Any:
        plugin_folder.add("matsciml-data-cubes", DATASET)
        return build_registry(path=plugin_folder.search)

    def test_subsets_of_a_dataset(self, registry: Any) -> None:
        whole = read_reference("cubes", registry)
        subsets = [read_reference(f"cubes:{p}", registry) for p in ("train", "validation", "test")]
        assert sum(map(len, subsets)) == len(whole)
        names = {one.name for subset in subsets for one in subset}
        assert names == {one.name for one in whole}
        assert whole[0].labels

    def test_large_crystals_are_left_out(self, registry: Any) -> None:
        sizes = [len(one.atomic_numbers) for one in read_reference("cubes", registry)]
        most = min(sizes)
        kept = read_reference("cubes", registry, max_atoms=most)
        assert len(kept) == sizes.count(most)
        with pytest.raises(DataError, match="no crystal of at most 0 atoms"):
            read_reference("cubes", registry, max_atoms=0)

    def test_files(self, registry: Any, tmp_path: Path) -> None:
        path = tmp_path / "all.extxyz"
        write_frames(path, all_crystals())
        assert len(read_reference(str(path), registry)) == len(all_crystals())

    @pytest.mark.parametrize(
        ("text", "error", "words"),
        [
            ("cubes:tset", ConfigError, "Did you mean 'test'"),
            ("cube:test", UnknownNameError, "cubes"),
            ("no/such/run:test", ConfigError, "does not exist"),
        ],
    )
    def test_misspelt(self, text: str, error: type[Exception], words: str, registry: Any) -> None:
        with pytest.raises(error, match=words):
            read_reference(text, registry)

    def test_data_of_a_run(
        self, registry: Any, tmp_path: Path, salt: Callable[..., Crystal]
    ) -> None:
        from matsciml_core.interfaces.split import random_split

        whole = [one.name for one in read_reference("cubes", registry)]
        split = random_split(whole, seed=5)
        split.save(tmp_path / "split-cubes.json")
        (tmp_path / "config.yaml").write_text(
            "datasets: [{name: cubes}]\nencoder: {name: any}\ntargets: [volume]\n"
        )
        for found in (
            read_reference(f"{tmp_path}:test", registry),
            read_run_data("cubes:test", tmp_path, registry),
        ):
            assert sorted(one.name for one in found) == sorted(split.subsets["test"])
