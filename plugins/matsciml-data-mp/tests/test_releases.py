"""A release that was fetched is served beside ``mini``, with the splits of the publication."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matsciml_core.data.fetch import note_store
from matsciml_core.data.ingestion.conversion import from_iterable, ingest
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.testing import DatasetContract
from matsciml_data_mp.config import MPConfig, MPFetchConfig
from matsciml_data_mp.dataset import MaterialsProject
from matsciml_data_mp.declaration import declare
from matsciml_data_mp.inventory import take_inventory
from matsciml_data_mp.label_sizes import write_label_sizes
from matsciml_data_mp.records import Rules, read_record
from matsciml_data_mp.splits import family, paper_sizes_split
from matsciml_data_mp.stores import canonical, fetched_releases
from matsciml_util_sources.fake_source import load_module

FAKE = load_module(Path(__file__).with_name("fake_source.py"))
RELEASE = FAKE.RELEASE


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """A data folder with the records of the fake source as a release."""
    folder = tmp_path_factory.mktemp("fetched")
    rows = from_iterable(lambda: (read_record(one, "", Rules()) for one in FAKE.records()))
    about = Provenance(
        source="the Materials Project",
        release=RELEASE,
        licence="CC-BY-4.0",
        references=declare("release").references,
    )
    ingest(rows, folder / "store", targets=declare("release").targets, provenance=about)
    write_label_sizes(folder / "store")
    return folder


@pytest.fixture(autouse=True)
def data(fetched, tmp_path, monkeypatch):
    """A machine on which the release is."""
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    note_store("mp", RELEASE, fetched / "store")


@pytest.fixture
def release() -> MaterialsProject:
    return MaterialsProject(MPConfig(release=RELEASE))


class TestContract(DatasetContract):
    """Every check of the kit, on what the fake source has."""

    spec_name = "mp"
    options = {"release": RELEASE}
    quick = True


class TestChoosing:
    def test_mini_stays_the_default(self):
        assert len(MaterialsProject()) == 6317
        assert MaterialsProject().split_names == ("stratified", "random")

    @pytest.mark.parametrize("name", [RELEASE, "2022.10.28", "v2022.10.28", " 2022-10-28 "])
    def test_a_release_is_found_by_its_name(self, name):
        dataset = MaterialsProject(MPConfig(release=name))
        assert len(dataset) == FAKE.ACCEPTED
        assert dataset.provenance.release == RELEASE

    def test_yaml_reads_its_name_as_a_date(self):
        config = MPConfig.from_options({"release": datetime.date(2022, 10, 28)}, where="dataset")
        assert config.release == RELEASE

    def test_a_release_that_is_no_name_is_rejected(self):
        with pytest.raises(ConfigError, match=r"'dataset\.release' is 2022"):
            MPConfig.from_options({"release": 2022}, where="dataset")

    def test_what_is_not_here_is_one_sentence_with_the_way_to_it(self):
        with pytest.raises(DataError) as raised:
            MaterialsProject(MPConfig(release="2023.11.01"))
        assert str(raised.value) == (
            "The release '2023.11.01' of the Materials Project is not on this machine (here are: "
            "mini, 2022-10-28); to fetch it, run: matsciml data fetch mp --release 2023-11-01."
        )

    def test_what_was_fetched_without_a_name_has_that_of_its_release(self, fetched):
        note_store("mp", "default", fetched / "store")
        assert list(fetched_releases()) == [RELEASE]

    def test_a_store_that_was_removed_is_not_here(self, tmp_path):
        note_store("mp", "2024-11-14", tmp_path / "gone")
        assert list(fetched_releases()) == [RELEASE]

    def test_the_last_of_two_is_served(self, fetched, tmp_path):
        (tmp_path / "other").symlink_to(fetched / "store", target_is_directory=True)
        note_store("mp", "api", tmp_path / "other")
        assert len(MaterialsProject(MPConfig(release=RELEASE))) == FAKE.ACCEPTED
        assert canonical("API") == "api"

    def test_few_atoms_only(self):
        everything = MaterialsProject(MPConfig(release=RELEASE))
        few = MaterialsProject(MPConfig(release=RELEASE, max_atoms=2))
        assert few.ids == everything.ids
        assert few.split().subsets == everything.split().subsets


class TestLabels:
    def test_those_that_both_have_agree_in_kind_and_unit(self):
        installed = {info.name: info for info in declare("mini").targets}
        shared = [info for info in declare("release").targets if info.name in installed]
        assert len(shared) == 5
        for info in shared:
            assert replace(info, description="") == replace(installed[info.name], description="")

    def test_every_label_of_the_benchmark_is_there(self):
        assert {task.target for task in declare("release").tasks} <= {
            info.name for info in declare("release").targets
        }

    def test_both_begin_with_the_formation_energy(self):
        assert (
            declare("release").targets[0].name
            == declare("mini").targets[0].name
            == "formation_energy_per_atom"
        )


class TestPaperSizes:
    def test_families_are_systems_but_for_two_that_are_one(self):
        families = {name: family(number - 1) for name, number in FIRST_SPACE_GROUPS.items()}
        assert families == {
            "triclinic": "tri",
            "monoclinic": "monoclinic",
            "orthorhombic": "orthorhombic",
            "tetragonal": "tetragonal",
            "trigonal": "tri",
            "hexagonal": "hexagonal",
            "cubic": "cubic",
        }

    def test_each_family_is_cut_as_published(self):
        """Also where 0.7 + 0.2 being below 0.9 makes a difference, as for thirty crystals."""
        groups = [0] * 20 + [149] * 10 + [224] * 101 + [193] * 20
        split = paper_sizes_split(ids := [f"mp-{k}" for k in range(151)], groups, seed=4)
        sizes = {}
        for subset, names in split.subsets.items():
            found = Counter(family(groups[ids.index(name)]) for name in names)
            sizes[subset] = dict(sorted(found.items()))
        assert sizes == {
            "train": {"cubic": 70, "hexagonal": 14, "tri": 21},
            "validation": {"cubic": 20, "hexagonal": 4, "tri": 5},
            "test": {"cubic": 11, "hexagonal": 2, "tri": 4},
        }

    def test_the_published_sizes_agree_with_the_rule(self):
        """Whatever the six families are, the floors leave less than one crystal each."""
        published = declare("release").tasks[0].published_sizes
        total = sum(published)
        assert total == 154_519
        assert 0 <= 0.7 * total - published[0] < 6
        assert 0 <= (0.7 + 0.2) * total - (published[0] + published[1]) < 6

    def test_the_order_of_the_ids_makes_no_difference_and_the_seed_does(self):
        ids, groups = [f"mp-{k}" for k in range(90)], [k % 230 for k in range(0, 900, 10)]
        split = paper_sizes_split(ids, groups, seed=1)
        assert paper_sizes_split(ids[::-1], groups[::-1], seed=1) == split
        assert paper_sizes_split(ids, groups, seed=2).hash != split.hash

    def test_it_is_the_default_of_a_release(self, release):
        assert release.split_names == ("paper-sizes", "composition", "random")
        split = release.split()
        assert split == release.split("paper-sizes")
        assert "six families" in split.algorithm
        assert sorted(name for subset in split.subsets.values() for name in subset) == sorted(
            release.ids
        )

    def test_a_crystal_without_a_space_group_is_in_it(self, release):
        assert "mvc-10" in {name for subset in release.split().subsets.values() for name in subset}

    def test_nothing_moves_when_few_crystals_are_served(self, release, monkeypatch):
        few = MaterialsProject(MPConfig(release=RELEASE))
        few.keep_only(np.arange(0, len(few), 2))
        few._selected = True
        whole, subset = release.split(), few.split()
        for name, ids in subset.subsets.items():
            assert set(ids) == set(whole.subsets[name]) & set(few.ids)

    def test_no_composition_is_in_two_subsets_of_the_split_by_it(self, release):
        split = release.split("composition")
        subsets = [
            {tuple(sorted(release[k].atomic_numbers.tolist())) for k in indices}
            for indices in split.indices(release.ids).values()
        ]
        assert sum(map(len, subsets)) == len(set.union(*subsets))


class TestFetchConfig:
    def test_the_defaults_are_the_rules_of_the_publication(self):
        options = MPFetchConfig()
        assert (options.include_gnome, options.include_deprecated, options.min_sites) == (
            *(False, False),
            2,
        )

    @pytest.mark.parametrize("change", [{"threads": 0}, {"min_sites": 0}, {"gnome": True}])
    def test_what_makes_no_sense_is_rejected(self, change):
        with pytest.raises(ConfigError):
            MPFetchConfig.from_options(change, where="mp")


class TestInventory:
    def test_without_a_release_it_is_mini(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "empty"))
        found = take_inventory()
        assert "mini" in found.where
        assert "fermi_energy" not in found.sizes

    def test_a_release_adds_what_mini_lacks(self, release):
        found = take_inventory()
        assert RELEASE in found.where
        batch = release.__getitems__(range(len(release)))
        known = ~batch.targets["fermi_energy"].isnan().numpy()
        subsets = release.split().indices(release.ids)
        assert found.sizes["fermi_energy"] == tuple(int(known[k].sum()) for k in subsets.values())
        assert found.sizes["band_gap"] == (854, 102, 100)

    def test_the_counts_lie_beside_the_store(self, fetched):
        counts = json.loads((fetched / "store" / "label_sizes.json").read_text("utf-8"))
        assert counts.keys() == {info.name for info in declare("release").targets}
