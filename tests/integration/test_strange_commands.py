"""Two thousand strange commands: each is done, or refused with one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from matsciml_cli.app import execute
from matsciml_core.registry.manager import build_registry

sys.path.append(str(Path(__file__).parent))
from strange_commands import HONEST, damage, strange

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "robustness.md"
LONGEST = 120
"""Seconds after which a command counts as one that hangs."""
NAMES = list(dict.fromkeys(honest.name for honest in HONEST))
CONFIG = """
datasets: [{name: tiny}]
encoder: {name: egnn, width: 8, num_layers: 1}
training: {epochs: 1, device: cpu, batch_size: 8, baseline_crystals: 0}
"""
GENERATOR = """
datasets: [{name: tiny}]
targets: [structure]
encoder: {name: cdvae, hidden: 8, num_blocks: 1, triplet_width: 4, output_width: 8, latent_width: 8}
head: {hidden: 8, num_blocks: 1, num_radial: 4, triplet_width: 4, predictor_width: 8}
training: {epochs: 1, device: cpu, batch_size: 8, baseline_crystals: 0}
"""
CHLORINE = """1
Lattice="4 0 0 0 4 0 0 0 4" pbc="T T T" Properties=species:S:1:pos:R:3
Cl 0 0 0
"""
PRECIOUS = "This file belongs to the user."


class Hang(BaseException):
    """A command took too long."""


@dataclass(frozen=True)
class Outcome:
    """What became of a command."""

    code: int | str
    out: str
    err: str
    seconds: float

    @property
    def verdict(self) -> str:
        """``done``, ``sentence``, or what is wrong."""
        if isinstance(self.code, str):
            return self.code
        if "Traceback" in self.err or "Something unexpected" in self.err:
            return "traceback"
        if self.code == 0:
            return "done"
        lines = self.err.strip().splitlines() or [""]
        if self.code == 2 and lines[-1].startswith("Error: "):
            return "sentence"
        # A check that fails, a relaxation that did not converge, a model that cannot be resumed.
        return "sentence" if self.code == 1 and (self.err or self.out).strip() else "silent"


@contextlib.contextmanager
def limited():
    def stop(*_):
        raise Hang

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def run(words):
    """Run a command within this process."""
    out, err = io.StringIO(), io.StringIO()
    start = time.perf_counter()
    try:
        with limited(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = execute(words)
    except Hang:
        code = "hang"
    except BaseException as error:
        code = f"traceback {type(error).__name__}"
    return Outcome(code, out.getvalue(), err.getvalue(), time.perf_counter() - start)


def crystals(count, shift=0.05):
    numbers = random.Random(1)
    for _ in range(count):
        edge, gap = numbers.uniform(4, 5), numbers.random()
        pairs = f"energy={-3 - numbers.random():.4f} gap={gap:.4f}"
        yield f'2\nLattice="{edge} 0 0 0 {edge} 0 0 0 {edge}" pbc="T T T" {pairs} '
        yield "Properties=species:S:1:pos:R:3:forces:R:3\n"
        yield f"{numbers.choice(['Na', 'K'])} 0 0 0 0.01 0 0\n"
        yield f"Cl {edge / 2} {edge / 2} {edge / 2 + shift} -0.01 0 0\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with data, a trained model, and the files that commands read."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "crystals.xyz").write_text("".join(crystals(24)))
    (folder / "one.xyz").write_text("".join(crystals(1)))
    (folder / "moved.xyz").write_text("".join(crystals(1, shift=0.6)))
    (folder / "chlorine.xyz").write_text(CHLORINE)
    (folder / "in.script").write_text("units metal\n")
    torch.save({"weight": torch.ones(3)}, folder / "weights.pt")
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "table.csv").write_text("id,width\ncrystals-000000,1.0\ncrystals-000001,2.0\n")
    (folder / "split.json").write_text('{"train": ["crystals-0"], "test": ["crystals-1"]}')
    (folder / "precious.txt").write_text(PRECIOUS)
    with placed(folder):
        labels = ("energy=eV", "forces=eV/Å", "gap=eV")
        words = [word for label in labels for word in ("--label", label)]
        assert run(("data", "import", "crystals.xyz", "--name", "tiny", *words)).code == 0
        targets = ("--target", "energy", "--target", "forces")
        assert run(("run", "--config", "config.yaml", *targets)).code == 0
        shutil.copytree((folder / "runs" / "latest").resolve(), folder / "model")
        assert run(("run", "--config", "config.yaml", *targets, "--seed", "7")).code == 0
        shutil.copytree((folder / "runs" / "latest").resolve(), folder / "other")
        assert run(("folds", "--config", "config.yaml", "-n", "2", "-o", "folds")).code == 0
        (folder / "generator.yaml").write_text(GENERATOR)
        assert run(("run", "--config", "generator.yaml")).code == 0
        shutil.copytree((folder / "runs" / "latest").resolve(), folder / "generator")
    shutil.rmtree(folder / "runs")
    return folder


@contextlib.contextmanager
def placed(folder):
    """Work in a folder, with the data folder in it."""
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        patch.setenv("MATSCIML_DATA", str(folder / "data"))
        patch.setenv("MATSCIML_STRICT", "")
        patch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing answers
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("UV_OFFLINE", "1")
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.replace(" ", "-"))
def test_each_is_done_or_refused(base, name, tmp_path):
    torch.set_num_threads(1)
    registry = build_registry(strict=False)
    verdicts: Counter[str] = Counter()
    wrong, longest = [], 0.0
    cases = [case for honest in HONEST if honest.name == name for case in strange(honest, registry)]
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        shutil.copytree(base, folder, symlinks=True)
        numbers = random.Random(case.seed)
        for file in case.damaged:
            damage(folder / file, numbers)
        given = (folder / "crystals.xyz").read_bytes()
        with placed(folder):
            outcome = run(case.words)
        verdict = outcome.verdict
        if verdict == "done" and case.refused:
            verdict = "silently wrong"
        kept = (folder / "precious.txt").is_file()
        if not kept or (folder / "precious.txt").read_text() != PRECIOUS:
            verdict = "lost"
        if not (folder / "crystals.xyz").is_file() or (
            (folder / "crystals.xyz").read_bytes() != given
        ):
            verdict = "lost"
        verdicts[verdict] += 1
        longest = max(longest, outcome.seconds)
        if verdict not in ("done", "sentence"):
            wrong.append(f"{verdict}: {case}\n  {outcome.code} {outcome.err[-600:]}")
        shutil.rmtree(folder, ignore_errors=True)
    done, refused = verdicts["done"], verdicts["sentence"]
    row = f"| `{name}` | {len(cases)} | {done} | {refused} | {len(wrong)} | {longest:.1f} |"
    if "STRANGE_TABLE" in os.environ:
        with open(os.environ["STRANGE_TABLE"], "a", encoding="utf-8") as table:
            table.write(f"{row}\n" + "".join(f"# {one}\n" for one in wrong))
    assert not wrong, "\n".join(wrong)


def test_the_page_says_what_is_tested():
    pattern = r"^\| `([^`]+)` \| (\d+) \| \d+ \| \d+ \| 0 \|"
    rows = re.findall(pattern, PAGE.read_text("utf-8"), re.MULTILINE)
    counts: Counter[str] = Counter()
    for honest in HONEST:
        counts[honest.name] += honest.count
    assert {name: int(count) for name, count in rows} == counts
    assert counts.total() >= 2000
