"""S2EF from the published archives: fetched through faults and kills, referenced, marked, split."""

from __future__ import annotations

import json
import lzma
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from matsciml_core.data import CrystalStore
from matsciml_core.data.fetch import FetchRequest, note_store
from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.ingestion.conversion import read_manifest
from matsciml_core.data.ingestion.pool import PoolConfig
from matsciml_core.data.readers import add_dataset
from matsciml_core.errors import ConfigError, DataError, FetchError, SplitError
from matsciml_core.ray_cluster import connect
from matsciml_core.testing import DatasetContract
from matsciml_data_ocp import plugin, s2ef
from matsciml_data_ocp.config import OCPFetchConfig
from matsciml_data_ocp.dataset import S2EF
from matsciml_data_ocp.fetch import fetch_s2ef
from matsciml_data_ocp.inventory import s2ef as take_inventory
from matsciml_data_ocp.readers import read_shards
from matsciml_data_ocp.splitting import count_default_split
from matsciml_util_sources.addresses import Addresses
from matsciml_util_sources.client import Client
from matsciml_util_sources.fake_source import load_module
from matsciml_util_sources.pacing import Retry

fake = load_module(Path(__file__).with_name("fake_source.py"))
SPEC, _ = plugin.matsciml_datasets()
TRAIN, VAL = (f"{fake.FOLDER}/{fake.archive_name(subset)}" for subset in ("200K", "val_id"))
SUBSETS = "200K+val_id+val_ood_ads"
TRAIN_IDS = sorted(
    f"train/{system.name}/frame{step}"
    for system in fake.SUBSETS["200K"]
    for step in range(fake.FRAMES)
)


@pytest.fixture
def server(tmp_path):
    with fake.SOURCES["s2ef"].installed(tmp_path / "data") as running:
        yield running


@pytest.fixture
def request_(server, tmp_path):
    client = Client(Addresses.read(), retry=Retry(attempts=4), sleep=lambda seconds: None)
    (tmp_path / "s2ef").mkdir()
    options = OCPFetchConfig(sources=str(fake.TABLE))
    return FetchRequest(folder=tmp_path / "s2ef", subset=SUBSETS, client=client, options=options)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """A data folder with what the fake source serves."""
    data = tmp_path_factory.mktemp("fetched")
    folder = data / "datasets" / "s2ef" / SUBSETS
    folder.mkdir(parents=True)
    with fake.serve() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATSCIML_DATA", str(data))
        addresses = Addresses(mirrors={"DL_FBAIPUBLICFILES_COM": server.url})
        options = OCPFetchConfig(sources=str(fake.TABLE))
        request = FetchRequest(
            folder=folder, subset=SUBSETS, client=Client(addresses), options=options
        )
        note_store("s2ef", SUBSETS, fetch_s2ef(request))
    return data


def assert_same(store: Path, data: Path) -> None:
    """Compare a store with the one in a data folder, byte by byte."""
    whole = data / "datasets" / "s2ef" / SUBSETS / "store"
    for file in ("index.json", "00000.lmdb", "manifest.json"):
        assert (store / file).read_bytes() == (whole / file).read_bytes()


@pytest.fixture
def data(fetched, monkeypatch):
    """What ``s2ef`` finds."""
    monkeypatch.setenv("MATSCIML_DATA", str(fetched))
    return fetched


class TestContract(DatasetContract):
    """Every check of the kit, on what the fake source serves."""

    spec_name = "s2ef"
    quick = True

    @pytest.fixture(autouse=True)
    def _data(self, data):
        pass


class TestFetch:
    def test_all_subsets_come_through_faults(self, server, request_):
        server.faults[TRAIN] = ["503", "drop:5000", "reset", "html", "drop:3000", "ok"]
        server.faults[VAL] = ["429:1", "drop:100", "etag"]
        with pytest.raises(FetchError, match="web page instead"):
            fetch_s2ef(request_)
        manifest = read_manifest(fetch_s2ef(request_))
        assert manifest is not None
        assert (manifest.records, manifest.accepted) == (60, 60)
        ranges = [asked.headers.get("range") for asked in server.requests if asked.path == TRAIN]
        assert ranges.count(None) < len(ranges)

    def test_a_second_fetch_makes_no_request(self, server, request_):
        store = fetch_s2ef(request_)
        before = {file.name: file.read_bytes() for file in store.iterdir()}
        server.requests.clear()
        assert fetch_s2ef(request_) == store
        assert server.requests == []
        assert {file.name: file.read_bytes() for file in store.iterdir()} == before

    def test_a_file_that_is_not_the_published_one_is_rejected(self, server, request_):
        server.files[TRAIN] = server.files[VAL]
        with pytest.raises(FetchError, match=r"s2ef_train_200K\.tar.* has the checksum"):
            fetch_s2ef(request_)

    def test_a_range_beyond_the_end(self, server, request_):
        raw = request_.folder / "raw"
        server.faults[TRAIN] = ["drop:15000", "404"]
        with pytest.raises(FetchError):
            fetch_s2ef(request_)
        part = raw / "s2ef_train_200K.tar.part"
        part.write_bytes(part.read_bytes() + bytes(20_000))
        manifest = read_manifest(fetch_s2ef(request_))
        assert manifest is not None
        assert manifest.accepted == 60

    def test_a_limit_is_a_trial_with_all_subsets(self, request_):
        store = CrystalStore(fetch_s2ef(replace(request_, limit=10)))
        subsets = [name.partition("/")[0] for name in store.read(range(len(store))).ids]
        assert [subsets.count(subset) for subset in ("train", "val_id", "val_ood_ads")] == [
            10,
            10,
            10,
        ]

    def test_validation_comes_with_training(self, request_):
        store = CrystalStore(fetch_s2ef(replace(request_, subset="200K")))
        assert len(store) == 48
        assert store.provenance.release == "fake source, 200K+val_id"
        assert store.provenance.licence == "CC-BY-4.0"
        assert store.provenance.references[0].doi == "10.1021/acscatal.0c04525"

    @pytest.mark.parametrize(
        ("subset", "message"),
        [
            ("200k", "no subset '200k' of s2ef. Did you mean '200K'"),
            ("test", "Subsets: .*The published test set has no labels"),
            ("200K+2M", "no subset '2M'"),
        ],
    )
    def test_a_subset_that_does_not_exist(self, request_, subset, message):
        with pytest.raises(FetchError, match=message):
            fetch_s2ef(replace(request_, subset=subset))

    def test_two_subsets_to_train_on_or_a_release_are_rejected(self, request_):
        with pytest.raises(FetchError, match="name one"):
            fetch_s2ef(replace(request_, subset="200K+2M", options=None))
        with pytest.raises(FetchError, match="one release of s2ef"):
            fetch_s2ef(replace(request_, release="1"))

    def test_a_table_that_cannot_be_read(self, request_, tmp_path):
        (tmp_path / "table.json").write_text("{}", encoding="utf-8")
        options = OCPFetchConfig(sources=str(tmp_path / "table.json"))
        with pytest.raises(ConfigError, match=r"table\.json' cannot be read"):
            fetch_s2ef(replace(request_, options=options))

    def test_the_plugins_own_table_is_whole(self):
        from matsciml_data_ocp.subsets import find_files

        (train, val) = find_files("s2ef", "2M", None).files
        assert (train.subset, train.records) == ("train", 2_000_000)
        assert (val.subset, val.records) == ("val_id", 999_866)
        assert train.url == f"https://{fake.HOST}{fake.FOLDER}/s2ef_train_2M.tar"
        assert train.md5 == "953474cb93f0b08cdc523399f03f7c36"
        (*_, last) = find_files("is2re", "all+val_ood_both", None).files
        assert (last.subset, last.records) == ("val_ood_both", 24_987)

    @pytest.mark.slow
    def test_several_processes_make_the_same_store(self, fetched, request_):
        assert_same(fetch_s2ef(replace(request_, pool=PoolConfig(workers=2))), fetched)

    @pytest.mark.slow
    def test_a_ray_cluster_makes_the_same_store(self, fetched, request_):
        ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'matsciml[ray]'")
        connect(ray, num_cpus=2, include_dashboard=False, log_to_driver=False)
        try:
            pool = PoolConfig(launcher="ray", workers=2)
            assert_same(fetch_s2ef(replace(request_, pool=pool)), fetched)
        finally:
            ray.shutdown()


SCRIPT = """
import sys, time
from pathlib import Path
from matsciml_core.data.fetch import FetchRequest
from matsciml_data_ocp import s2ef
from matsciml_data_ocp.config import OCPFetchConfig
from matsciml_data_ocp.fetch import fetch_s2ef

plain = s2ef.crystal_of

def slow(*arguments):
    time.sleep(0.02)
    return plain(*arguments)

s2ef.crystal_of = slow
options = OCPFetchConfig(sources=sys.argv[2])
fetch_s2ef(FetchRequest(folder=Path(sys.argv[1]), subset=sys.argv[3], options=options))
"""


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(server, fetched, tmp_path):
    folder = tmp_path / "killed"
    folder.mkdir()
    command = [sys.executable, "-c", SCRIPT, str(folder), str(fake.TABLE), SUBSETS]
    server.faults[TRAIN] = ["drip:0.02", "drip:0.02"]
    server.faults[VAL] = ["drip:0.05", "503"]
    moments, kills = random.Random(7), 0
    for _ in range(3):
        asked = len(server.requests)
        process = subprocess.Popen(command, env=dict(os.environ))
        deadline = time.monotonic() + 300
        while process.poll() is None and len(server.requests) == asked:
            time.sleep(0.01)
            if (folder / "store" / "shard.part").exists() or time.monotonic() > deadline:
                break
        time.sleep(moments.uniform(0.0, 0.8))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills
    subprocess.run(command, check=True)
    assert_same(folder / "store", fetched)


class TestCrystals:
    @pytest.fixture
    def dataset(self, data):
        return S2EF()

    def test_one_sample_is_as_computed_by_hand(self, dataset):
        sample = fake.SAMPLE["s2ef"]
        crystal = dataset[dataset.ids.index(sample.id)]
        assert crystal.positions == pytest.approx(np.array(sample.positions))
        assert crystal.cell.tolist() == sample.cell
        assert crystal.atomic_numbers.tolist() == sample.atomic_numbers
        assert crystal.labels["energy"] == -1.25
        assert crystal.labels["reference_energy"] == -180.25
        assert crystal.labels["forces"][0].tolist() == list(fake.FORCE_ON_FIXED)
        assert not crystal.labels["forces"][2:].any()
        assert crystal.site_properties["fixed"].tolist() == [1, 1, 0, 0, 0]
        assert crystal.site_properties["tags"].tolist() == [0, 0, 1, 1, 2]

    def test_every_frame_is_what_the_files_say(self, dataset):
        for name in ("train/random1003/frame2", "val_id/random1101/frame3"):
            subset, system, step = name.split("/")
            systems = fake.SUBSETS["200K" if subset == "train" else subset]
            source = next(one for one in systems if one.name == system)
            atoms = source.frame(int(step.removeprefix("frame")))
            crystal = dataset[dataset.ids.index(name)]
            assert crystal.positions == pytest.approx(atoms.positions, abs=1e-8)
            assert crystal.labels["forces"] == pytest.approx(atoms.calc.results["forces"])
            energy = atoms.calc.results["energy"] - source.reference
            assert crystal.labels["energy"] == pytest.approx(energy, abs=1e-6)
            assert crystal.site_properties["tags"].tolist() == atoms.get_tags().tolist()
            assert np.flatnonzero(crystal.site_properties["fixed"]).tolist() == sorted(
                atoms.constraints[0].index
            )

    def test_no_energy_is_a_total_energy(self, dataset):
        batch = dataset.__getitems__(range(len(dataset)))
        assert batch.targets["energy"].abs().max() < 10
        assert (batch.targets["reference_energy"] < -180).all()

    def test_shards_and_subsets_are_in_numerical_order(self, dataset):
        subsets = [name.partition("/")[0] for name in dataset.ids]
        assert subsets == sorted(subsets)
        assert sorted(name for name in dataset.ids if name.startswith("train/")) == TRAIN_IDS

    def test_forces_are_trained_and_scored_on_free_atoms(self, dataset):
        heads = pytest.importorskip("matsciml_head_forces.head", reason="needs the forces head")
        batch = dataset.__getitems__(range(len(dataset)))
        head = heads.EnergyForcesHead([dataset.targets["forces"]], 4, 4)
        free = batch.site_properties["fixed"] == 0
        assert torch.equal(head.mask(batch)["forces"].all(1), free)
        head.fit([batch])
        assert head.force_rms == pytest.approx(
            batch.targets["forces"][free].square().mean().sqrt().item()
        )

    def test_largest_cells_can_be_left_out(self, data):
        dataset = S2EF(FetchedConfig(max_atoms=5))
        assert set(dataset.atoms_per_crystal.tolist()) == {5}
        assert len(dataset) == fake.FRAMES

    def test_what_is_here_is_known_without_opening_it(self, data, dataset):
        inventory = take_inventory()
        assert inventory is not None
        sizes = tuple(
            len(dataset.split().subsets[subset]) for subset in ("train", "validation", "test")
        )
        assert inventory.sizes == dict.fromkeys(("energy", "forces", "reference_energy"), sizes)

    def test_without_data_the_way_to_them_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
        assert take_inventory() is None
        with pytest.raises(DataError, match=r"matsciml data fetch s2ef \(.* --split 200K"):
            S2EF()


class TestSplits:
    @pytest.fixture
    def dataset(self, data):
        return S2EF()

    def test_the_published_subsets_are_on_offer(self, dataset):
        assert dataset.split_names == ("val_id", "val_ood_ads", "system")
        assert set(dataset.split_names) <= set(SPEC.splits)

    def test_val_id_is_halved_by_system(self, dataset):
        split = dataset.split()
        assert list(split.subsets["train"]) == TRAIN_IDS
        halves = [split.subsets["validation"], split.subsets["test"]]
        assert [len(half) for half in halves] == [8, 8]
        assert all(name.startswith("val_id/") for half in halves for name in half)
        systems = [{name.rpartition("/")[0] for name in half} for half in halves]
        assert not systems[0] & systems[1]
        assert len(split.subsets["unused"]) == 12
        assert dataset.split(seed=5).hash == split.hash

    def test_out_of_domain_subsets_are_tested_on(self, dataset):
        split = dataset.split("val_ood_ads")
        assert [len(split.subsets[subset]) for subset in ("train", "validation", "test")] == [
            32,
            16,
            12,
        ]
        assert all(name.startswith("val_ood_ads/") for name in split.subsets["test"])
        assert "unused" not in split.subsets

    def test_systems_stay_together(self, dataset):
        subsets = dataset.split("system", 3).subsets
        systems = [{name.rpartition("/")[0] for name in names} for names in subsets.values()]
        assert sum(map(len, systems)) == len(set.union(*systems)) == 15
        assert dataset.split("system", 4).hash != dataset.split("system", 3).hash

    def test_a_frame_is_never_split_from_its_system_at_random(self, dataset):
        with pytest.raises(ConfigError, match="no split 'random'"):
            dataset.split("random")

    def test_a_split_file_is_read(self, dataset, tmp_path):
        dataset.split().save(tmp_path / "mine.json")
        assert dataset.split(str(tmp_path / "mine.json")).hash == dataset.split().hash

    def test_a_store_without_a_subset_to_train_on(self, request_):
        store = fetch_s2ef(replace(request_, subset="val_id+val_ood_ads"))
        dataset = S2EF(FetchedConfig(path=str(store)))
        assert dataset.split_names == ("system",)
        sizes = [len(subset) for subset in dataset.split().subsets.values()]
        assert sum(sizes) == 28
        assert min(sizes) == fake.FRAMES
        assert list(count_default_split(store)) == sizes

    def test_a_subset_that_cannot_be_divided(self, request_, monkeypatch):
        monkeypatch.setattr("matsciml_data_ocp.fetch._FEWEST", 1)
        store = fetch_s2ef(replace(request_, subset="200K", limit=3))
        assert count_default_split(store) == (3, 1, 0)
        with pytest.raises(SplitError, match="only 1 groups by system"):
            S2EF(FetchedConfig(path=str(store))).split()


class TestFaultyFiles:
    """What a pair of files may have wrong; nothing disappears."""

    def shard(self, frames: bytes | None = None, **changes):
        (pair,) = fake.pairs_of(fake.SUBSETS["val_ood_ads"], 1)
        packed, _ = pair.files()
        shard = s2ef.Shard(
            subset="train",
            name="0.extxyz.xz",
            frames=packed if frames is None else frames,
            systems=tuple(line.strip() for line in pair.lines),
            whole=True,
        )
        return replace(shard, **changes)

    def text(self) -> str:
        return lzma.decompress(self.shard().frames).decode()

    def reasons(self, shard) -> list[str]:
        items = list(s2ef.read_shard(shard))
        assert len(items) == len(shard.systems)
        return [item.reason if isinstance(item, s2ef.Rejection) else "" for item in items]

    def test_sound_files(self):
        assert self.reasons(self.shard()) == [""] * 12

    @pytest.mark.parametrize("cut", [1, 300, 2000])
    def test_a_file_that_was_packed_cut_off(self, cut):
        found = self.reasons(self.shard(lzma.compress(self.text().encode()[:-cut])))
        missing = found.count(s2ef.MISSING)
        assert found == [""] * (12 - missing) + [s2ef.MISSING] * missing
        assert missing == (1 + cut // 1100 if cut > 1 else 0)

    @pytest.mark.parametrize("cut", [1, 40, 400])
    def test_a_packed_file_that_is_cut_off(self, cut):
        found = self.reasons(self.shard(self.shard().frames[:-cut]))
        missing = found.count(s2ef.MISSING)
        assert found == [""] * (12 - missing) + [s2ef.MISSING] * missing
        assert cut < 400 or missing

    def test_a_frame_that_is_broken_takes_the_rest_along(self):
        text = self.text().replace("frame", "frame").split("\n")
        text[20] = text[20].replace(".", "x", 1)
        found = self.reasons(self.shard(lzma.compress("\n".join(text).encode())))
        assert found[:1] == [""]
        assert set(found[1:]) == {s2ef.MISSING}

    def test_a_flipped_byte_is_noticed(self):
        frames = bytearray(self.shard().frames)
        frames[len(frames) // 2] ^= 1
        with pytest.raises(DataError, match=r"0\.extxyz\.xz' is damaged"):
            list(s2ef.read_shard(self.shard(bytes(frames))))

    def test_more_frames_than_lines_are_rejected(self):
        shard = self.shard()
        with pytest.raises(DataError, match="more frames than its list has lines"):
            list(s2ef.read_shard(replace(shard, systems=shard.systems[:-1])))
        assert self.reasons(replace(shard, systems=shard.systems[:-1], whole=False)) == [""] * 11

    def test_total_energies_and_absurd_forces(self):
        shard = self.shard()
        unreferenced = tuple(f"{line.rpartition(',')[0]},0.0" for line in shard.systems)
        found = self.reasons(replace(shard, systems=unreferenced))
        assert set(found) == {"The adsorption energy is beyond 10 eV."}
        text = self.text()
        fixed = text.replace("F        0       3.00000000", "F        0    3000.00000000")
        assert fixed != text
        assert self.reasons(self.shard(lzma.compress(fixed.encode()))) == [""] * 12
        lines = text.split("\n")
        atom = next(place for place, line in enumerate(lines) if line.split()[4:5] == ["T"])
        lines[atom] = f"{lines[atom][:-16]}{51.0:16.8f}"
        found = self.reasons(self.shard(lzma.compress("\n".join(lines).encode())))
        assert found == ["A force on a free atom is beyond 50 eV/Å.", *[""] * 11]

    def test_a_list_that_names_nothing(self):
        shard = self.shard()
        systems = ("nonsense", "a,b,c", *shard.systems[2:])
        found = self.reasons(replace(shard, systems=systems))
        assert found[:2] == ["The list does not name system, frame and energy."] * 2
        assert found[2:] == [""] * 10

    def test_a_frame_without_a_column(self):
        text = self.text().replace("move_mask:L:1:tags:I:1", "mask:L:1:tags:I:1")
        found = self.reasons(self.shard(lzma.compress(text.encode())))
        assert set(found) == {"The frame has no column move_mask."}

    def test_a_file_without_its_partner(self, tmp_path):
        (tmp_path / "3.extxyz.xz").write_bytes(b"")
        with pytest.raises(DataError, match=r"only one of .*3\.extxyz' and .*3\.txt'"):
            list(s2ef.pairs_of_folder(tmp_path))
        with pytest.raises(DataError, match="it is no S2EF"):
            list(s2ef.pairs_of_folder(tmp_path / "nothing"))

    def test_a_list_that_would_fill_the_memory(self, tmp_path, monkeypatch):
        monkeypatch.setattr(s2ef, "_LONGEST_LIST", 1000)
        (tmp_path / "0.extxyz.xz").write_bytes(b"")
        (tmp_path / "0.txt.xz").write_bytes(lzma.compress(bytes(10_000)))
        with pytest.raises(DataError, match=r"0\.txt\.xz' is cut off, or no list"):
            list(s2ef.pairs_of_folder(tmp_path))


def test_files_that_are_here_already_are_converted(fetched, tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    archive = tmp_path / "s2ef_train_200K.tar"
    archive.write_bytes(fake.FILES[archive.name])
    manifest = add_dataset("mine", read_shards(archive))
    assert manifest.accepted == 32
    folder = tmp_path / "s2ef_val_id"
    folder.mkdir()
    for number, pair in enumerate(fake.pairs_of(fake.SUBSETS["val_id"])):
        frames, systems = (lzma.decompress(file) for file in pair.files())
        (folder / f"{number}.extxyz").write_bytes(frames)
        (folder / f"{number}.txt").write_bytes(systems)
    add_dataset("other", read_shards(folder))
    stores = [
        CrystalStore(tmp_path / "data" / "datasets" / one / "store") for one in ("mine", "other")
    ]
    one, two = (store.read(range(len(store))) for store in stores)
    whole = CrystalStore(fetched / "datasets" / "s2ef" / SUBSETS / "store").read(range(48))
    assert [*one.ids, *two.ids] == list(whole.ids)
    assert torch.equal(torch.cat([one.positions, two.positions]), whole.positions)
    assert torch.equal(
        torch.cat([one.site_properties["fixed"], two.site_properties["fixed"]]),
        whole.site_properties["fixed"],
    )
    index = json.loads((stores[0].folder / "index.json").read_text(encoding="utf-8"))
    assert index["meta"]["release"] == "local 's2ef_train_200K.tar'"


def test_an_archive_that_is_none(tmp_path):
    path = tmp_path / "broken.tar"
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be read as a tar archive"):
        list(s2ef.pairs_of_archive(path))
