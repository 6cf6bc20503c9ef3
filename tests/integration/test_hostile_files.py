"""Files that a stranger gave: none of them executes anything, and each gets one sentence."""

import io
import json
import os
import pickle
import shutil
import tarfile
import zipfile
import zlib

import lmdb
import pytest
import torch

from matsciml_cli.app import execute
from matsciml_core.errors import FetchError
from matsciml_util_sources.archive import unpack

RUN = [
    *("run", "--dataset", "mp", "--encoder", "megnet", "--epochs", "1"),
    *("--set", "dataset.max_atoms=2", "--set", "encoder.num_blocks=1", "--set", "encoder.cutoff=3"),
    *("--set", "split.max_train_crystals=40"),
]
CALL = "!!python/object/apply:os.mkdir ['{}']"
"""YAML that calls a function, where somebody lets it."""
LATTICE = 'Lattice="{} 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:{} energy=1'


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def canary(tmp_path):
    """A path that nothing may create; the payload itself is shown to work."""
    proof = tmp_path / "proof"
    pickle.loads(pickle.dumps(Payload(proof)))
    assert proof.is_dir()
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    output = tmp_path_factory.mktemp("runs")
    assert execute([*RUN, "--output", str(output)]) == 0
    return (output / "latest").resolve()


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def refuse(capsys):
    """Run a command that must end with one sentence about what is wrong; return the sentence."""

    def run(*arguments):
        assert execute([str(one) for one in arguments]) == 2
        error = capsys.readouterr().err
        lines = [line for line in error.splitlines() if line.startswith("Error:")]
        assert len(lines) == 1
        assert "Traceback" not in error
        return lines[0]

    return run


def structure_file(folder):
    path = folder / "NaCl.vasp"
    path.write_text(
        "NaCl\n1.0\n0 2.8 2.8\n2.8 0 2.8\n2.8 2.8 0\nNa Cl\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n"
    )
    return path


class TestRunFolders:
    @pytest.mark.parametrize("content", ["pickle", "torch", "bytes"])
    def test_checkpoint_to_resume_from(self, folder, canary, refuse, content):
        last = folder / "checkpoints" / "last.ckpt"
        if content == "pickle":
            last.write_bytes(pickle.dumps({"state_dict": Payload(canary)}))
        elif content == "torch":
            torch.save({"state_dict": Payload(canary), "epoch": 0}, last)
        else:
            last.write_bytes(b"\x80\x04\x95" + bytes(1000))
        assert "damaged" in refuse("run", "--resume", folder, "--epochs", "2")

    def test_best_checkpoint_of_a_run_without_report(self, folder, canary, refuse):
        (folder / "run.json").unlink()
        torch.save({"state_dict": Payload(canary), "epoch": 0}, folder / "checkpoints/best.ckpt")
        assert "damaged" in refuse("run", "--resume", folder)

    @pytest.mark.parametrize("name", ["run.json", "checkpoints/old", "notes", "last.ckpt.part"])
    def test_a_link_is_not_written_through(self, folder, refuse, tmp_path, name):
        private = tmp_path / "private"
        private.write_text("mine")
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(private)
        assert "is a link" in refuse("run", "--resume", folder, "--epochs", "2")
        assert private.read_text() == "mine"

    @pytest.mark.parametrize("name", ["out.csv", "out.csv.part"])
    def test_predictions_replace_a_link(self, folder, tmp_path, name):
        private = tmp_path / "private"
        private.write_text("mine")
        (tmp_path / name).symlink_to(private)
        output = tmp_path / "out.csv"
        command = ["predict", folder, structure_file(tmp_path), "--output", output, "--replace"]
        assert execute([str(one) for one in command]) == 0
        assert private.read_text() == "mine"
        assert "NaCl" in output.read_text()
        assert not output.is_symlink()

    @pytest.mark.parametrize("verb", ["predict", "export", "init"])
    def test_tensors(self, folder, canary, refuse, tmp_path, verb):
        (folder / "model.safetensors").write_bytes(pickle.dumps(Payload(canary)))
        commands = {
            "predict": ["predict", folder, structure_file(tmp_path)],
            "export": ["export", folder, "--to", tmp_path / "out"],
            "init": [*RUN, "--init-from", folder, "--output", tmp_path],
        }
        assert "model.safetensors" in refuse(*commands[verb])

    @pytest.mark.parametrize("name", ["os:system", "../../evil", "megnet\n"])
    def test_names_of_components_are_no_code(self, folder, canary, refuse, tmp_path, name):
        model = json.loads((folder / "model.json").read_text())
        model["encoder"]["name"] = name
        (folder / "model.json").write_text(json.dumps(model))
        assert "encoder" in refuse("predict", folder, structure_file(tmp_path))

    def test_config(self, canary, refuse, tmp_path):
        config = tmp_path / "config.yaml"
        config.write_text(
            f"dataset: !!python/object/apply:os.mkdir ['{canary}']\nencoder: megnet\n"
        )
        assert "not valid YAML" in refuse("run", "--config", config)

    def test_override(self, canary, refuse, tmp_path):
        override = f"encoder.cutoff={CALL.format(canary)}"
        refuse(*RUN, "--output", tmp_path, "--set", override)


class TestData:
    @pytest.fixture
    def data(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
        return tmp_path

    @pytest.mark.parametrize("dataset", ["mp", "lips", "oqmd", "nomad", "carolina", "s2ef"])
    def test_pickled_records_of_another_toolkit(self, data, canary, refuse, dataset):
        path = data / "evil.lmdb"
        with (
            lmdb.open(str(path), subdir=False, map_size=1 << 20) as environment,
            environment.begin(write=True) as transaction,
        ):
            for key in (b"0", b"1"):
                transaction.put(key, pickle.dumps({"structure": Payload(canary)}))
            transaction.put(b"length", pickle.dumps(2))
        refuse("data", "convert", path, "--from", "toolkit", "--dataset", dataset)

    @pytest.mark.parametrize(
        "text",
        [
            "99999999999999\nenergy=1\n",
            '-1\nLattice="1 0 0 0 1 0 0 0 1"\n',
            f"2\n{LATTICE.format(3, 3)}\nXx 0 0 0\n",
            f"1\n{LATTICE.format('nan', 3)}\nH 0 0 0\n",
            f"1\n{LATTICE.format(3, 999999999)}\nH 0\n",
            "1\nenergy=__import__('os').mkdir('canary')\nH 0 0 0\n",
            "\x00\x01\x02\n" * 50,
        ],
        ids=["atoms", "negative", "element", "cell", "columns", "code", "binary"],
    )
    def test_frames(self, data, canary, refuse, text):
        path = data / "evil.extxyz"
        path.write_text(text.replace("canary", str(canary)))
        refuse("data", "import", path, "--name", "evil", "--label", "energy=eV")

    @pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "cif", "traj", "db", "aselmdb"])
    def test_pickled_table(self, data, canary, refuse, suffix):
        path = data / f"evil.{suffix}"
        path.write_bytes(pickle.dumps(Payload(canary)))
        refuse("data", "import", path, "--name", "evil", "--label", "energy=eV")

    def test_a_module_that_a_structure_names_is_not_imported(self, data, canary, monkeypatch):
        """pymatgen's own decoder would import it."""
        (data / "evilmodule.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
        monkeypatch.syspath_prepend(data)
        named = {"@module": "evilmodule", "@class": "Evil"}
        site = {"species": [{"element": "Fe", "occu": 1}], "abc": [0, 0, 0], "properties": named}
        lattice = {"matrix": [[2.9, 0, 0], [0, 2.9, 0], [0, 0, 2.9]], "properties": named}
        structure = {
            "@module": "pymatgen.core.structure",
            "@class": "Structure",
            "lattice": lattice,
            "sites": [site],
            "properties": named,
        }
        path = data / "evil.json"
        path.write_text(json.dumps([{"structure": structure, "energy": 1.0}]))
        command = ["data", "import", str(path), "--name", "evil", "--label", "energy=eV"]
        assert execute(command) == 0

    def test_a_record_that_unpacks_to_gigabytes(self, data, refuse, monkeypatch):
        reader = pytest.importorskip("matsciml_reader_ase.lmdb_database", exc_type=ImportError)
        monkeypatch.setattr(reader, "LARGEST_RECORD", 1 << 20)
        path = data / "evil.aselmdb"
        with (
            lmdb.open(str(path), subdir=False, map_size=1 << 20) as environment,
            environment.begin(write=True) as transaction,
        ):
            transaction.put(b"1", zlib.compress(b" " * (64 << 20)))
        error = refuse("data", "import", path, "--name", "evil", "--label", "energy=eV")
        assert "1 MiB" in error

    def test_objects_that_name_classes(self, data, canary, refuse):
        path = data / "evil.json"
        record = {"@module": "os", "@class": "mkdir", "path": str(canary)}
        path.write_text(json.dumps([{"structure": record, "energy": 1.0}]))
        refuse("data", "import", path, "--name", "evil", "--label", "energy=eV")


class TestArchives:
    NAMES = ("../outside.txt", "/tmp/outside-absolute.txt", "a/../../outside.txt", "good.txt")

    @pytest.fixture
    def tar(self, tmp_path):
        path = tmp_path / "evil.tar"
        with tarfile.open(path, "w") as archive:
            for name in self.NAMES:
                info = tarfile.TarInfo(name)
                info.size = 2
                archive.addfile(info, io.BytesIO(b"hi"))
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
                info = tarfile.TarInfo(f"link-{kind.decode()}.txt")
                info.type, info.linkname = kind, "/etc/passwd"
                archive.addfile(info)
        return path

    @pytest.fixture
    def zipped(self, tmp_path):
        path = tmp_path / "evil.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in self.NAMES:
                archive.writestr(name, "hi")
        return path

    @pytest.mark.parametrize("kind", ["tar", "zipped"])
    def test_nothing_lands_outside(self, request, tmp_path, kind):
        folder = tmp_path / "deep" / "inside"
        found = unpack(request.getfixturevalue(kind), folder, lambda name: name)
        assert all(path.parent == folder for path in found)
        assert not any(path.is_symlink() for path in folder.iterdir())
        assert {path.name for path in found} == {"outside.txt", "outside-absolute.txt", "good.txt"}
        assert not [*tmp_path.glob("outside*")], [*tmp_path.glob("deep/outside*")]

    def test_a_damaged_one(self, tmp_path):
        path = tmp_path / "evil.tar.gz"
        path.write_bytes(b"\x1f\x8b" + bytes(100))
        with pytest.raises(FetchError, match="cannot be unpacked"):
            unpack(path, tmp_path / "inside", lambda name: name)
