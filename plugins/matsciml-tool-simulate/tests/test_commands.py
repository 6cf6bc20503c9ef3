"""``matsciml relax`` and ``matsciml md`` as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import read, write

from matsciml_cli.app import execute
from matsciml_core import build_registry
from matsciml_core.model.ensembles import write_ensemble


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys):
    """Give a function that runs a command with the model on what lies in the test's folder."""
    monkeypatch.chdir(tmp_path)
    alloy = bulk("Cu", cubic=True, a=3.7)
    alloy.symbols[0] = "Au"
    alloy.rattle(0.1, seed=3)
    write("alloy.extxyz", alloy)
    write("two.extxyz", [alloy, alloy])
    foreign = alloy.copy()
    foreign.symbols[1] = "Xe"
    write("foreign.extxyz", foreign)
    slab = alloy.copy()
    slab.pbc = (True, True, False)
    write("slab.extxyz", slab)
    (tmp_path / "empty.extxyz").write_text("")

    def command(name, *arguments):
        capsys.readouterr()
        code = execute([name, str(folder), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


class TestRelax:
    def test_writes_what_is_lower(self, run):
        code, out, err = run("relax", "alloy.extxyz", "--fmax", "0.002", "--steps", "300")
        assert code == 0, err
        assert "Converged after" in out
        relaxed = read("alloy-relaxed.extxyz")
        assert abs(relaxed.get_forces()).max() < 0.002
        assert float(out.splitlines()[1].split()[2]) > 0.002

    def test_writes_the_format_of_the_ending(self, run):
        code, _, err = run(
            "relax", "alloy.extxyz", "--steps", "1", "--fmax", "1e-5", "-o", "sub/relaxed.cif"
        )
        assert code == 1, err
        assert len(read("sub/relaxed.cif")) == 4

    def test_says_so_and_fails_where_it_does_not_converge(self, run):
        code, out, _ = run("relax", "alloy.extxyz", "--steps", "2", "--fmax", "1e-5")
        assert code == 1
        assert "Not converged after 2 steps" in out

    def test_relaxes_the_cell(self, run):
        code, out, _ = run("relax", "alloy.extxyz", "--cell", "volume", "--steps", "3")
        assert code == 1
        assert read("alloy-relaxed.extxyz").get_volume() != pytest.approx(3.7**3, rel=1e-6)
        assert out.splitlines()[1].split()[-1] != ""

    def test_reads_what_an_installed_reader_reads(self, run):
        if not any(".cif" in spec.suffixes for spec in build_registry().specs("reader")):
            pytest.skip("no reader of CIF is installed: pip install matsciml-reader-pymatgen")
        write("alloy.cif", read("alloy.extxyz"))
        code, _, err = run("relax", "alloy.cif", "--steps", "1", "--fmax", "1e-5")
        assert code == 1, err
        assert len(read("alloy-relaxed.extxyz")) == 4

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (
                ("nowhere.extxyz",),
                "'nowhere.extxyz' cannot be used: 'nowhere.extxyz' does not exist",
            ),
            (("empty.extxyz",), "'empty.extxyz' cannot be used: There is no structure in it."),
            (("two.extxyz",), "holds several structures"),
            (("foreign.extxyz",), "never seen Xe"),
            (("slab.extxyz", "--cell", "full"), "periodic in all directions"),
            (("alloy.extxyz", "-o", "out.unknown", "--steps", "1"), "cannot be written to"),
            (("alloy.extxyz", "--cell", "wide"), "'wide' is not one of 'fixed', 'volume', 'full'"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(self, run, arguments, words):
        code, out, err = run("relax", *arguments)
        assert code == 2
        assert "step" not in out or "out.unknown" in arguments  # no table without a number
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert words in err


class TestDynamics:
    def test_writes_a_trajectory_and_the_drift(self, run):
        code, out, err = run("md", "alloy.extxyz", "--steps", "20", "--supercell", "1,1,2")
        assert code == 0, err
        frames = read("alloy-md.extxyz", index=":")
        assert [frame.info["step"] for frame in frames] == [0, 10, 20]
        assert len(frames[0]) == 8
        assert "eV/atom/ps" in out

    def test_stops_where_the_models_of_an_ensemble_differ(self, run, write_force_model, capsys):
        members = [write_force_model(Path(f"scale-{scale}"), scale=scale) for scale in (5.0, 9.0)]
        Path("joint").mkdir()
        write_ensemble(Path("joint"), members, {})
        options = ("alloy.extxyz", "--steps", "50", "--max-spread", "1e-4", "-o", "joint.extxyz")
        assert execute(["md", "joint", *options]) == 0
        captured = capsys.readouterr()
        assert "Stopped at step 0: the models differ by" in captured.err
        assert "nan" not in captured.out
        assert read("joint.extxyz").info["force_spread"] > 1e-4

    def test_continues_as_if_it_had_never_stopped(self, run):
        options = ("--ensemble", "nvt", "--every", "5", "--timestep", "2")
        assert run("md", "alloy.extxyz", "--steps", "20", *options, "-o", "whole.extxyz")[0] == 0
        assert run("md", "alloy.extxyz", "--steps", "8", *options, "-o", "part.extxyz")[0] == 0
        code, _, err = run("md", "--resume", "part.extxyz", "--steps", "12")
        assert code == 0, err
        with open("whole.extxyz", "rb") as whole, open("part.extxyz", "rb") as part:
            assert whole.read() == part.read()

    def test_at_constant_pressure_changes_the_volume(self, run):
        code, _, err = run("md", "alloy.extxyz", "--ensemble", "npt", "--steps", "20")
        assert code == 0, err
        volumes = {round(frame.get_volume(), 6) for frame in read("alloy-md.extxyz", index=":")}
        assert len(volumes) == 3

    def test_does_not_overwrite_a_trajectory_unasked(self, run):
        assert run("md", "alloy.extxyz", "--steps", "10")[0] == 0
        code, _, err = run("md", "alloy.extxyz", "--steps", "10")
        assert code == 2
        assert "exists; continue it with --resume alloy-md.extxyz, give --replace" in err
        assert run("md", "alloy.extxyz", "--steps", "10", "--replace")[0] == 0

    def test_keeps_a_trajectory_where_the_next_one_cannot_begin(self, run):
        assert run("md", "alloy.extxyz", "--steps", "10", "-o", "kept.extxyz")[0] == 0
        before = Path("kept.extxyz").read_bytes()
        code, _, err = run("md", "foreign.extxyz", "-o", "kept.extxyz", "--replace")
        assert code == 2
        assert "never seen Xe" in err
        assert Path("kept.extxyz").read_bytes() == before
        assert run("md", "--resume", "kept.extxyz", "--steps", "5")[0] == 0
        assert run("md", "foreign.extxyz", "-o", "new.extxyz")[0] == 2
        assert not Path("new.extxyz").exists()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "Name a FILE to start from, or a trajectory to --resume"),
            (("alloy.extxyz", "--resume", "x.extxyz"), "one of them"),
            (("--resume", "x.extxyz"), "There is no trajectory 'x.extxyz' to continue"),
            (("--resume", "x.extxyz", "--seed", "1"), "as it was begun; leave --seed away"),
            (("empty.extxyz",), "There is no structure in it."),
            (("foreign.extxyz",), "never seen Xe"),
            (("slab.extxyz", "--ensemble", "npt"), "Constant pressure needs a crystal"),
            (("alloy.extxyz", "--pressure", "1"), "acts on the cell, which nve keeps"),
            (("alloy.extxyz", "--max-spread", "0.1"), "name an ensemble"),
            (("alloy.extxyz", "--device", "gpu"), "There is no device 'gpu'; use auto, cpu"),
            (("alloy.extxyz", "-o", "md.traj"), "A trajectory is extended XYZ"),
            (("alloy.extxyz", "--supercell", "2,2"), "'--supercell 2,2' is not understood"),
            (("alloy.extxyz", "-o", "alloy.extxyz/md.extxyz"), "cannot be written"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(self, run, arguments, words):
        code, _, err = run("md", *arguments)
        assert code == 2
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert words in err

    def test_too_long_a_step_is_stopped_with_advice(self, run):
        code, _, err = run(
            "md", "alloy.extxyz", "--timestep", "500", "--temperature", "90000", "--every", "1"
        )
        assert code == 2
        assert "blown up" in err or "no finite energy" in err or "too large or too dense" in err


class TestOutput:
    @pytest.mark.parametrize("name", ["relax", "md"])
    def test_that_exists_is_replaced_when_asked_and_the_input_never(self, run, name):
        arguments = (name, "alloy.extxyz", "--steps", "2", "-o", "out.extxyz")
        assert run(*arguments)[0] in (0, 1)
        code, _, err = run(*arguments)
        assert (code, "--replace" in err) == (2, True)
        assert run(*arguments, "--replace")[0] in (0, 1)
        before = read("alloy.extxyz").positions
        code, _, err = run(name, "alloy.extxyz", "-o", "./alloy.extxyz", "--replace")
        assert code == 2
        assert "is what the command reads" in err
        assert (read("alloy.extxyz").positions == before).all()

    def test_a_pressure_on_a_fixed_cell_is_refused(self, run):
        code, _, err = run("relax", "alloy.extxyz", "--pressure", "5")
        assert code == 2
        assert "acts on the cell, which is fixed" in err

    @pytest.mark.parametrize("number", ["nan", "inf"])
    def test_numbers_that_are_not_finite_are_refused(self, run, number):
        for arguments in (("relax", "--fmax"), ("md", "--timestep"), ("md", "--pressure")):
            code, _, err = run(arguments[0], "alloy.extxyz", arguments[1], number)
            assert code == 2
            assert arguments[1] in err or "--largest-force" in err
