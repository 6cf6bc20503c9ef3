"""Runs a command that is killed again and again, until it has ended, and once undisturbed.

    python killed_commands.py WHAT FOLDER KILLS

WHAT is a key of ``WAYS``, such as ``import``. Each life is a fork of this
process, which has imported everything. It is killed with SIGKILL after a random time, and the next
one does what the command or its page says: the same again, or ``--resume``. Prints the number of
kills; what each way left lies in ``FOLDER/undisturbed`` and ``FOLDER/killed``.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

import matsciml_core.training.fitting  # so that no life has to import Lightning,
import matsciml_core.training.train  # noqa: F401 - nor what else a run needs
from matsciml_cli import state
from matsciml_cli.app import execute
from matsciml_core.convert import to_pymatgen
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.examples import ExampleDataset
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_matbench import tasks
from matsciml_util_sources.fake_server import FaultServer

PLUGIN = """
    from matsciml_core import DatasetSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(
            name="remote", summary="A source.", class_path="{package}.work:Remote",
            fetch="{package}.work:fetch",
        )
"""
WORK = """
    from matsciml_core.data import StoreDataset, ingest
    from matsciml_core.data.fetch import fetched_stores
    from matsciml_util_sources.client import Client
    from matsciml_util_sources.download import RemoteFile, download
    from matsciml_core.data.ingestion.conversion import from_iterable
    from matsciml_core.data.readers import read
    from matsciml_core.data.readers.frames import Naming, to_crystals
    from matsciml_core.data.readers.labels import parse_label
    from matsciml_core.interfaces.dataset import Provenance

    class Remote(StoreDataset):
        def __init__(self, config=None):
            super().__init__(list(fetched_stores("remote").values())[-1])

    def fetch(request):
        file = RemoteFile(url="https://source.example/crystals.xyz", name="crystals.xyz")
        path = download(Client(), file, request.folder / "raw", report=request.report)
        label = parse_label("energy=eV")
        ingest(
            from_iterable(lambda: to_crystals(read(path), [label], Naming())),
            request.folder / "store", targets=(label.info,),
            provenance=Provenance(source="https://source.example"), report=request.report,
        )
        return request.folder / "store"
"""
TABLE = """
name: small
title: A small table
encoders: {egnn: {name: egnn, width: 8, num_layers: 1}}
budgets:
  mini:
    epochs: 3
    settings: {training: {device: cpu, batch_size: 8, checkpoint_minutes: 0.002,
      baseline_crystals: 0}}
rows: [{name: energy, title: Energy, datasets: [tiny], targets: [energy]}]
"""


def crystals(count: int) -> Iterator[str]:
    """Yield frames of extended XYZ, with energies and forces."""
    numbers = random.Random(1)
    for _ in range(count):
        edge = numbers.uniform(4.0, 5.0)
        yield f'2\nLattice="{edge} 0 0 0 {edge} 0 0 0 {edge}" energy={-3 - numbers.random():.4f} '
        yield 'pbc="T T T" Properties=species:S:1:pos:R:3:forces:R:3\n'
        yield f"{numbers.choice(['Na', 'K'])} 0 0 0 0.01 0 0\n"
        yield f"Cl {edge / 2} {edge / 2} {edge / 2 + 0.05} -0.01 0 0\n"


def live(words: list[str], seconds: float | None) -> bool:
    """Run a command in a fork; return whether it ended before it was killed."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        os._exit(execute(words))
    if seconds is not None:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and os.waitpid(child, os.WNOHANG) == (0, 0):
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:  # it was fetched above: it has ended by itself
        return True
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status) != 0:
        sys.exit(f"{' '.join(words)} ended with {os.WEXITSTATUS(status)}")
    return True


def main(what: str, output: Path, kills: int) -> None:
    """Run the command once undisturbed, and once among kills."""
    words = WAYS[what]
    with prepared(what, output):
        for place in ("undisturbed", "killed"):
            folder = output / place
            shutil.copytree(output / "base", folder)
            os.chdir(folder)
            os.environ["MATSCIML_DATA"] = str(folder / "data")
            if place == "undisturbed":
                start = time.monotonic()
                live(words(), None)
                length = time.monotonic() - start
        draw, done = random.Random(1), 0
        while done < kills:
            if live(words(), draw.uniform(0.0, 0.6 * length)):
                compare(what, output)  # it has ended among kills; others begin anew
                os.chdir(output)
                shutil.rmtree(folder)
                shutil.copytree(output / "base", folder)
                os.chdir(folder)
            else:
                done += 1
        live(words(), None)
        compare(what, output)
    print(f"{done} kills")


@contextlib.contextmanager
def prepared(what: str, output: Path) -> Iterator[None]:
    """Make what the command needs, in ``output/base``."""
    base = output / "base"
    base.mkdir()
    os.chdir(base)
    os.environ["MATSCIML_DATA"] = str(base / "data")
    (base / "crystals.xyz").write_text("".join(crystals(4000 if what == "import" else 24)))
    (base / "table.yaml").write_text(TABLE)
    if what in ("md", "generate", "benchmark", "folds"):
        label = ["--label", "energy=eV", "--label", "forces=eV/Å"]
        live(["data", "import", "crystals.xyz", "--name", "tiny", *label], None)
    fast = ["--epochs", "1", "--device", "cpu", "--no-baselines", "--output", "runs"]
    if what == "md":
        (base / "one.xyz").write_text("".join(crystals(1)))
        targets = ["--target", "energy", "--target", "forces"]
        live(["run", "--dataset", "tiny", "--encoder", "egnn", *targets, *fast], None)
    if what == "generate":
        live(["run", "--dataset", "tiny", "--encoder", "cdvae", *GENERATIVE, *fast], None)
    if what == "matbench":
        write_task(base / "phonons.json.gz")
    if what != "fetch":
        yield
        return
    folder = PluginFolder(output / "plugins")
    folder.path.mkdir()
    sys.path.insert(0, str(folder.path))
    folder.add("matsciml-data-remote", PLUGIN, modules={"work": WORK})
    state.build_registry = partial(build_registry, path=folder.search)
    with FaultServer() as server:
        server.files["/crystals.xyz"] = "".join(crystals(3000)).encode()
        server.faults["/crystals.xyz"] = ["drip:0.001"] * 1000
        os.environ["MATSCIML_MIRROR_SOURCE_EXAMPLE"] = server.url
        yield


def write_task(file: Path) -> None:
    """Write the file of a task of MatBench with few crystals, which every life takes for it."""
    task, dataset = tasks.find_task("phonons"), ExampleDataset()
    rows = [
        [to_pymatgen(dataset[index % 20]).as_dict(), 100.0 * dataset[index % 20].labels["energy"]]
        for index in range(300)
    ]
    table = {"index": list(range(300)), "columns": ["structure", task.column], "data": rows}
    file.write_bytes(gzip.compress(json.dumps(table).encode(), mtime=0))
    small = replace(task, size=300, sha256=digest(file))
    others = [other for other in tasks.tasks() if other.name != "phonons"]
    tasks.tasks = lambda: (small, *others)


def go_on_with_matbench() -> list[str]:
    """Return the command that prepares a task; once that has ended, there is nothing to repeat."""
    words = ["matbench", "prepare", "phonons", "--file", "phonons.json.gz"]
    return ["list-tasks"] if Path(FOLDS).is_file() else words


def go_on_with_md() -> list[str]:
    """Return the command that begins dynamics, or goes on with them."""
    state_file = Path("md.extxyz.state.json")
    if not state_file.is_file():
        begin = ["--steps", str(STEPS), "-o", "md.extxyz", "--every", "5", "--replace"]
        return ["md", "runs/latest", "one.xyz", *begin, "--device", "cpu"]
    left = STEPS - json.loads(state_file.read_text())["step"]
    resumed = ["md", "runs/latest", "--resume", "md.extxyz", "--device", "cpu"]
    return [*resumed, "--steps", str(left)] if left else ["list-tasks"]


def compare(what: str, output: Path) -> None:
    """End the program where what was killed left something else than what was not."""
    left, right = (result(what, output / place) for place in ("undisturbed", "killed"))
    if left != right:
        sys.exit(f"{what}: {left} undisturbed, and among kills {right}")


def result(what: str, folder: Path) -> list[str]:
    """Return digests of what a command has made."""
    if what in ("md", "generate"):
        return [digest(path) for path in folder.glob("[gm]*.*xyz")]
    if what == "benchmark":
        return trained(folder, RUNS)
    if what == "folds":
        return [*trained(folder, "cv/fold-*/2*"), digest(folder / "cv" / "predictions.csv")]
    index = "data/datasets/*/**/index.json"
    names = {"import": "mine", "fetch": "remote", "matbench": "matbench-phonons"}
    beside = [digest(path) for path in folder.glob(FOLDS)]
    return beside + [
        json.loads(path.read_text())["meta"]["content_hash"]
        for path in folder.glob(index)
        if names[what] in path.parts
    ]


def trained(folder: Path, runs: str) -> list[str]:
    """Return a digest of each trained model, and the report beside it."""
    models = sorted(folder.glob(f"{runs}/model.safetensors"))
    return [f"{digest(path)} {[one.name for one in path.parent.glob('*.html')]}" for path in models]


STEPS = 60
RUNS = "runs/small-mini/experiments/energy/egnn/seed-0/[0-9]*"
FOLDS = "matbench-phonons-folds.json"
GENERATIVE = ["--target", "structure"]
WAYS: dict[str, Callable[[], list[str]]] = {
    "import": lambda: [
        *("data", "import", "crystals.xyz", "--name", "mine", "--label", "energy=eV"),
    ],
    "fetch": lambda: ["data", "fetch", "remote"],
    "md": go_on_with_md,
    "generate": lambda: [
        *("generate", "runs/latest", "--number", "6", "--batch-size", "2", "--steps", "2"),
        *("--levels", "10", "--device", "cpu", "-o", "g.extxyz"),
    ],
    "matbench": go_on_with_matbench,
    "folds": lambda: [
        *("folds", "--dataset", "tiny", "--encoder", "egnn", "--target", "energy", "--number", "3"),
        *("--epochs", "3", "--batch-size", "8", "--device", "cpu", "--no-baselines"),
        *("--set", "encoder.width=8", "--set", "training.checkpoint_minutes=0.002"),
        *("--output", "cv"),
    ],
    "benchmark": lambda: ["benchmark", "table.yaml", "--jobs", "1"],
}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3]))
