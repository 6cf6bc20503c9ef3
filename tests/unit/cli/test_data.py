"""``matsciml data``: from a file or a source to a dataset that runs find."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from collections import Counter
from functools import partial

import numpy as np
import pytest

from matsciml_cli import _completion, state
from matsciml_cli._data import _show_labels
from matsciml_core.registry.manager import build_registry
from matsciml_util_sources.fake_server import FaultServer

CELL = [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]]

PLUGIN = """
    from matsciml_core import DatasetSpec, TargetInfo, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(
            name="remote",
            summary="A source.",
            class_path="{package}.work:Remote",
            targets=(TargetInfo(name="energy", kind="energy", unit="eV"),),
            fetch="{package}.work:fetch",
            readers={"toolkit": "{package}.work:convert"},
        )
        yield DatasetSpec(name="local", summary="A toy.", class_path="{package}.work:Remote")
"""
WORK = """
    import json
    from matsciml_core import TargetInfo
    from matsciml_core.data import StoreDataset, ingest
    from matsciml_core.data.fetch import fetched_stores
    from matsciml_util_sources.client import Client
    from matsciml_util_sources.download import RemoteFile, download
    from matsciml_core.data.readers.structures import frame_from_structure
    from matsciml_core.data.readers.frames import Naming, to_crystals
    from matsciml_core.data.readers.labels import parse_label
    from matsciml_core.data.ingestion.conversion import Conversion, fingerprint_of, from_iterable
    from matsciml_core.interfaces.dataset import Provenance

    TARGETS = (TargetInfo(name="energy", kind="energy", unit="eV"),)
    PROVENANCE = Provenance(source="https://source.example", licence="CC-BY-4.0")

    class Remote(StoreDataset):
        def __init__(self, config=None):
            super().__init__(list(fetched_stores("remote").values())[-1])

    def items(path):
        entries = json.loads(path.read_text())
        frames = (frame_from_structure(e["structure"], e["id"], e) for e in entries)
        return to_crystals(frames, [parse_label("energy=eV")], Naming())

    def fetch(request):
        file = RemoteFile(url="https://source.example/data.json", name="data.json")
        path = download(Client(), file, request.folder / "raw", report=request.report)
        ingest(
            from_iterable(lambda: items(path)), request.folder / "store",
            targets=TARGETS, provenance=PROVENANCE, report=request.report,
        )
        return request.folder / "store"

    def convert(path):
        return Conversion(
            source=from_iterable(lambda: items(path)), targets=TARGETS, provenance=PROVENANCE,
            fingerprint=fingerprint_of([path]), summary="Converted.",
        )
"""


def entry(number: int) -> dict:
    shift = 0.4 + number / 900
    return {
        "id": f"m-{number}",
        "energy": -float(number),
        "structure": {
            "lattice": {"matrix": CELL},
            "sites": [
                {"species": [{"element": "Na", "occu": 1}], "abc": [0, 0, 0]},
                {"species": [{"element": "Cl", "occu": 1}], "abc": [0.5, 0.5, shift]},
                {"species": [{"element": "O", "occu": 1}], "abc": [0.5, 0.0, 0.1 * (number % 3)]},
            ][: 2 + number % 2],
        },
    }


ENTRIES = [entry(number) for number in range(30)]


@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("MATSCIML_DATA", str(folder))
    monkeypatch.setenv("MATSCIML_CONFIG", str(tmp_path / "no-config.toml"))
    return folder


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(ENTRIES))
    return path


@pytest.fixture
def imported(cli, data, monkeypatch):
    """The command line with the imported datasets, and with no plugin but a reader."""
    build = partial(build_registry, only=["matsciml-reader-tables"])
    monkeypatch.setattr(state, "build_registry", build)
    monkeypatch.setattr(_completion, "build_registry", build)
    return cli


@pytest.fixture
def mine(imported, file):
    done = imported("data", "import", str(file), "--name", "mine", "--label", "energy=eV")
    assert done.code == 0, done.err
    return imported


@pytest.fixture
def plugin(cli, data, plugin_folder):
    plugin_folder.add("matsciml-data-remote", PLUGIN, modules={"work": WORK})
    return cli


def test_the_verbs_are_listed(cli):
    out = cli("data", "--help").out
    for verb in ("list", "fetch", "import", "export", "convert", "info", "split", "leaks"):
        assert f"  {verb} " in out


def test_an_import_says_what_it_did_and_how_to_go_on(imported, file, data):
    done = imported("data", "import", str(file), "--name", "mine", "--label", "energy=eV")
    assert "mine: 30 crystals of 30 records" in done.out
    assert str(data / "datasets" / "mine" / "store") in done.out
    assert "matsciml run --dataset mine" in done.out
    listed = imported("data", "list", "--json").data
    assert listed["folder"] == str(data)
    assert [(one["name"], one["size"]) for one in listed["datasets"]] == [("mine", 30)]
    assert "mine" in imported("list-plugins").out


READER = """
    from matsciml_core import ReaderSpec, hookimpl

    @hookimpl
    def matsciml_readers():
        yield ReaderSpec(
            name="pairs",
            summary="Pairs of atoms.",
            class_path="{package}.reader:PairsReader",
            config="{package}.reader:PairsConfig",
            suffixes=(".pairs",),
        )
"""
PAIRS = """
    from matsciml_core import Config
    from matsciml_core.data.readers import Frame, Reader

    class PairsConfig(Config):
        edge: float = 4.0

    class PairsReader(Reader):
        def read(self, file):
            edge = self.config.edge
            with file.open_text() as stream:
                for index, line in enumerate(stream):
                    yield Frame(
                        name=f"{file.stem}-{index}",
                        atomic_numbers=[11, 17],
                        positions=[[0, 0, 0], [edge / 2] * 3],
                        cell=[[edge, 0, 0], [0, edge, 0], [0, 0, edge]],
                        values={"energy": float(line)},
                    )
"""


def test_a_format_of_a_third_party_takes_two_files(cli, data, plugin_folder, tmp_path):
    """A record and a class; the commands and the core know nothing of it."""
    package = plugin_folder.add("matsciml-reader-pairs", READER, modules={"reader": PAIRS})
    written = {path.name for path in (plugin_folder.path / package).glob("*.py")}
    assert written == {"__init__.py", "plugin.py", "reader.py"}
    (tmp_path / "a.pairs.gz").write_bytes(gzip.compress(b"-1.5\n-2.5\n"))
    command = ["data", "import", str(tmp_path / "a.pairs.gz"), "--name", "mine"]
    done = cli(*command, "--label", "energy=eV", "--set", "edge=5")
    assert done.code == 0, done.err
    assert "mine: 2 crystals of 2 records, 62.5 to 62.5" in done.out
    assert "pairs" in cli("list-plugins", "--kind", "reader").out
    assert "has no settings" not in done.err
    wrong = cli(*command, "--label", "energy=eV", "--set", "edg=5", "--replace")
    assert "Did you mean 'edge'" in wrong.error


def test_a_format_that_nothing_reads_is_answered_from_the_index(cli, data, tmp_path):
    (tmp_path / "a.cif").write_text("data_a\n")
    done = cli("data", "import", str(tmp_path / "a.cif"), "--name", "mine", "--label", "gap=eV")
    assert "pip install matsciml-reader-pymatgen" in done.error


def test_what_was_rejected_is_shown(imported, tmp_path):
    broken = [*ENTRIES[:5], {"id": "x", "energy": 1.0}, {**ENTRIES[1], "id": "y", "energy": "?"}]
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken))
    done = imported("data", "import", str(path), "--name", "mine", "--label", "energy=eV")
    assert "5 crystals of 7 records" in done.out
    assert re.search(r"The entry has no structure\. +for example x", done.out)
    assert "The entry has no structure." in imported("data", "info", "mine").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.json", "--label", "energy=eV"], "does not exist"),
        (["FILE", "--label", "enrgy=eV"], "Did you mean 'energy'"),
        (["FILE", "--label", "energy=furlong"], "has a unit that is not known; use one of eV"),
        (["FILE", "--label", "forces=kbar"], "has a unit of stress; label the stress so"),
        (["FILE", "--label", "gap"], "write gap=UNIT"),
        (["FILE"], "Declare at least one label"),
        (["FILE", "--label", "energy=eV", "--name", "A B"], "not a valid dataset name"),
    ],
)
def test_mistakes_are_one_sentence(imported, file, arguments, message):
    given = [str(file) if one == "FILE" else one for one in arguments]
    done = imported("data", "import", "--name", "mine", *given)
    assert done.code == 2
    assert message in done.error


def test_info_tells_ranges_units_and_verifies(mine):
    facts = mine("data", "info", "mine", "--verify", "--json").data
    label = facts["labels"][0]
    assert (label["name"], label["unit"], label["count"]) == ("energy", "eV", 30)
    assert (label["min"], label["max"], label["mean"]) == (-29.0, 0.0, -14.5)
    assert facts["verified"] is True
    assert facts["crystals"] == 30
    out = mine("data", "info", "mine").out
    assert "-29 to 0, mean -14.5" in out


def test_a_flipped_byte_is_detected(mine, data):
    shard = data / "datasets" / "mine" / "store" / "00000.lmdb"
    content = bytearray(shard.read_bytes())
    place = content.find(np.float64(-17.0).tobytes())
    content[place] ^= 1
    shard.write_bytes(content)
    done = mine("data", "info", "mine", "--verify")
    assert done.code == 2
    assert "is damaged" in done.error


def test_a_split_is_kept_with_the_dataset_and_found_by_name(mine, data):
    done = mine("data", "split", "mine", "--by", "random", "--seed", "7", "--fractions", "1,1,2")
    assert "Hash: " in done.out
    assert "--set split.name=random-7-1-1-2" in done.out
    assert "random-7-1-1-2" in mine("data", "info", "mine", "--json").data["splits"]
    dataset = build_registry(only=[]).get("dataset", "mine").load()(None)
    split = dataset.split("random-7-1-1-2")
    sizes = {subset: len(ids) for subset, ids in split.indices(dataset.ids).items()}
    assert sizes == {"train": 8, "validation": 7, "test": 15}
    assert split.hash in done.out


@pytest.mark.parametrize("by", ["random", "time", "prototype", "crystal-system"])
def test_every_way_to_split_works(mine, data, by):
    done = mine("data", "split", "mine", "--by", by)
    if by == "prototype" and done.code:
        assert "too few" in done.error
        return
    assert done.code == 0, done.err
    assert ("are taken as one series" in done.err) is (by == "time")
    name = by if by == "time" else f"{by}-0"
    assert (data / "datasets" / "mine" / "splits" / f"{name}.json").exists()


def test_splits_of_other_data_have_other_names_and_say_how_to_get_those(mine, data):
    folder = data / "datasets" / "mine" / "splits"
    lines = []
    for setting in ("max_atoms=2", "dataset.max_atoms=2", "max_atoms=3"):
        done = mine("data", "split", "mine", "--set", setting)
        lines.append(done.out.splitlines()[-1])
    names = sorted(path.stem for path in folder.iterdir())
    assert [name[:20] for name in names] == ["random-0-max-atoms-2", "random-0-max-atoms-3"]
    for line, name in zip(lines, (names[0], *names), strict=True):
        atoms = name[19]
        wanted = f"--dataset mine --set split.name={name} --set dataset.max_atoms={atoms}"
        assert line == f"Use:  matsciml run {wanted}"
        dataset = build_registry(only=[]).get("dataset", "mine")
        opened = dataset.load()(dataset.load_config()(max_atoms=int(atoms)))
        assert sum(map(len, opened.split(name).indices(opened.ids).values())) == len(opened)


def test_the_line_to_use_a_split_can_be_pasted(mine, tmp_path):
    place = tmp_path / "my splits" / "one.json"
    line = mine("data", "split", "mine", "--output", str(place)).out.splitlines()[-1]
    assert shlex.split(line)[-1] == f"split.name={place}"


@pytest.mark.parametrize("option", ["--by", "--from"])
def test_lists_of_ids_are_imported(mine, data, tmp_path, option):
    lists = tmp_path / "Their list.yml"
    lists.write_text("train: [m-1, m-2, x-1]\nval: [m-3]\ntest: [m-4]\n")
    done = mine("data", "split", "mine", option, str(lists))
    assert "listed in Their list.yml: 2 train, 1 validation, 1 test, 26 unused" in done.out
    assert "Missing: 1 of the 3 ids of 'train' are not in the dataset, for example x-1" in done.out
    assert "--set split.name=their-list" in done.out
    kept = json.loads((data / "datasets" / "mine" / "splits" / "their-list.json").read_text())
    assert kept["missing"] == {"train": ["x-1"]}


def test_a_list_for_each_subset_is_imported(mine, tmp_path):
    files = []
    for subset, ids in {"train": "m-1\nm-2\n", "val": "m-3\n", "test": "m-4\n"}.items():
        files.append(tmp_path / f"{subset}.txt")
        files[-1].write_text(ids)
    arguments = [argument for file in files for argument in ("--from", str(file))]
    done = mine("data", "split", "mine", *arguments)
    assert "2 train, 1 validation, 1 test, 26 unused" in done.out
    assert "--set split.name=train-val-test" in done.out


def test_a_split_for_other_data_is_refused(mine, data, tmp_path, file):
    mine("data", "split", "mine", "--seed", "3")
    file.write_text(json.dumps(ENTRIES[:20]))
    mine("data", "import", str(file), "--name", "less", "--label", "energy=eV")
    splits = data / "datasets"
    (splits / "less" / "splits").mkdir()
    (splits / "mine" / "splits" / "random-3.json").rename(splits / "less" / "splits" / "x.json")
    done = mine("data", "leaks", "less", "--split", "x")
    assert done.code == 2
    assert "was made for other data: 10 of its ids are missing" in done.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "compositoin"], "Did you mean 'composition'"),
        (["--fractions", "1,2"], "give three numbers"),
        (["--fractions", "a,b,c"], "give three numbers"),
        (["--fractions", "1,0,0"], "three numbers above zero"),
        (["--fractions", "1,1,0"], "three numbers above zero"),
        (["--fractions", "nan,0.1,0.1"], "three numbers above zero"),
        (["--fractions", "inf,0.1,0.1"], "three numbers above zero"),
        (["--by", "trajectory"], "No two crystals are of one trajectory"),
    ],
)
def test_wrong_splits_are_explained(mine, arguments, message):
    assert message in mine("data", "split", "mine", *arguments).error


@pytest.fixture
def two(imported, tmp_path):
    """Two datasets that share a structure."""
    for name, chosen in (("one", ENTRIES[:10]), ("two", ENTRIES[9:12])):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(chosen))
        imported("data", "import", str(path), "--name", name, "--label", "energy=eV")
    return imported


def test_leaks_are_counted(two):
    found = two("data", "leaks", "one", "two", "--json", "--no-confirm").data
    assert sum(found["sizes"]) == 13
    assert any("two" in one + other for one, other in found["examples"])
    assert found["candidates"] >= found["told_apart"] + found["confirmed"]
    assert "On the diagonal" in two("data", "leaks", "one", "--no-confirm").out


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (["max_atoms=2"], {"one": 5, "two": 1}),
        (["two.max_atoms=2"], {"one": 10, "two": 1}),
        (["one.max_atoms=9", "max_atoms=2"], {"one": 10, "two": 1}),
    ],
)
def test_leaks_are_counted_in_the_data_that_are_set(two, settings, sizes):
    flags = [word for setting in settings for word in ("--set", setting)]
    found = two("data", "leaks", "one", "two", *flags, "--json", "--no-confirm").data
    counted = Counter()
    for subset, size in zip(found["subsets"], found["sizes"], strict=True):
        counted[subset.partition("/")[0]] += size
    assert counted == sizes


def test_it_is_said_which_test_structures_were_trained_on(two, tmp_path):
    (tmp_path / "lists").mkdir()
    for name, lists in (
        ("one", {"train": [f"m-{k}" for k in range(9)], "test": ["m-9"]}),
        ("two", {"train": ["m-9", "m-10"], "test": ["m-11"]}),
    ):
        file = tmp_path / "lists" / f"{name}.json"
        file.write_text(json.dumps(lists))
        two("data", "split", name, "--from", str(file), "--output", f"{tmp_path / name}-split.json")
    chosen = [f"{name}={tmp_path / name}-split.json" for name in ("one", "two")]
    arguments = [argument for split in chosen for argument in ("--split", split)]
    out = two("data", "leaks", "one", "two", *arguments).out
    assert "one/test  1 of 1 (100.0%)  also in two/train" in out
    assert "m-9" in out
    assert "names none of the datasets" in two("data", "leaks", "one", "--split", "on=x").error


def test_fetching_goes_to_the_mirror_once(plugin, data, monkeypatch):
    with FaultServer() as server:
        server.files["/mirror/data.json"] = json.dumps(ENTRIES).encode()
        server.faults["/mirror/data.json"] = ["503", "drop:100"]
        monkeypatch.setenv("MATSCIML_MIRROR_SOURCE_EXAMPLE", f"{server.url}/mirror")
        done = plugin("data", "fetch", "remote")
        assert done.code == 0, done.err
        assert "remote: 30 crystals of 30 records" in done.out
        assert re.search(r"^Speed: [\d,]+ structures/s, 1 process\.$", done.out, re.MULTILINE)
        assert len(server.requests) == 3
        again = plugin("data", "fetch", "remote")
        assert again.code == 0
        assert "Speed" not in again.out
        assert len(server.requests) == 3
    store = data / "datasets" / "remote" / "default" / "store"
    assert json.loads((store / "label-sizes.json").read_text()) == {"energy": [24, 3, 3]}
    facts = plugin("data", "info", "remote", "--verify", "--json").data
    assert (facts["crystals"], facts["licence"]) == (30, "CC-BY-4.0")
    assert plugin("data", "list", "--json").data["datasets"][1]["fetchable"] is True


def test_fetching_into_another_folder_is_remembered(plugin, data, tmp_path, monkeypatch):
    with FaultServer() as server:
        server.files["/data.json"] = json.dumps(ENTRIES).encode()
        monkeypatch.setenv("MATSCIML_MIRROR_SOURCE_EXAMPLE", server.url)
        plugin("data", "fetch", "remote", "--to", str(tmp_path / "big"))
    assert (tmp_path / "big" / "store" / "index.json").exists()
    assert plugin("data", "info", "remote", "--json").data["crystals"] == 30


def test_a_dataset_without_a_source_says_so(plugin):
    assert "nothing to fetch" in plugin("data", "fetch", "local").error


def test_a_foreign_file_is_converted_by_the_datasets_plugin(plugin, data, file):
    done = plugin("data", "convert", str(file), "--from", "toolkit", "--dataset", "remote")
    assert done.code == 0, done.err
    assert "remote-toolkit: 30 crystals" in done.out
    assert "structures/s, 1 process." in done.out
    assert (data / "datasets" / "remote-toolkit" / "dataset.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["FILE", "--from", "toolkt", "--dataset", "remote"], "Did you mean 'toolkit'"),
        (["FILE", "--from", "toolkit", "--dataset", "local"], "It reads: nothing"),
        (["absent", "--from", "toolkit", "--dataset", "remote"], "does not exist"),
        (["FILE", "--from", "toolkit", "--dataset", "remote", "--name", "local"], "already"),
    ],
)
def test_conversions_that_cannot_be_are_explained(plugin, file, arguments, message):
    given = [str(file) if one == "FILE" else one for one in arguments]
    assert message in plugin("data", "convert", *given).error


@pytest.mark.parametrize("verb", [("fetch", "remote"), ("convert", "FILE", "--dataset", "remote")])
def test_an_unknown_launcher_is_refused(plugin, file, verb):
    given = [str(file) if one == "FILE" else one for one in verb]
    form = ["--from", "toolkit"] if "FILE" in verb else []
    done = plugin("data", *given, *form, "--launcher", "slurm")
    assert "no launcher 'slurm'; launchers: processes, ray" in done.error


def test_the_name_of_a_plugins_dataset_is_refused(plugin, file):
    done = plugin("data", "import", str(file), "--name", "remote", "--label", "energy=eV")
    assert "matsciml-data-remote 0.1.0 offers a dataset 'remote' already" in done.error


def test_space_groups_are_shown_by_their_numbers(imported, tmp_path):
    """Classes count from 0 and space groups from 1, and users know the numbers."""
    groups = [{**entry(number), "group": group} for number, group in enumerate((215, 220))]
    stable = [{**one, "stable": index} for index, one in enumerate(groups)]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(stable))
    labels = ("--label", "group=class(230)", "--label", "stable=class")
    out = imported("data", "import", str(path), "--name", "mine", *labels).out
    assert "space groups 216 to 221" in out
    assert "classes 0 to 1 of 2, from 0" in out


def test_a_mean_of_what_cancels_is_zero(capsys):
    # Forces of one crystal add up to the rounding of their sum, and not to a number.
    label = {"name": "forces", "unit": "eV/Å", "count": 6, "classes": None}
    _show_labels([{**label, "min": -1.2, "max": 1.2, "mean": 1e-17}])
    assert "-1.2 to 1.2, mean 0\n" in capsys.readouterr().out.replace("  ", "")
    _show_labels([{**label, "min": -1e-15, "max": 1e-15, "mean": 1e-17}])
    assert "mean 1e-17" in capsys.readouterr().out
