"""The commands as they are typed."""

from __future__ import annotations

import csv
import json
import re

import pytest
from ase.io import read


def check_refusals(run, name, *arguments):
    """Output that exists is replaced when asked, and what is read never."""
    code, _, err = run(name, *arguments)
    assert (code, "--replace" in err) == (2, True)
    code, _, err = run(name, *arguments, "--replace")
    assert code == 0, err


class TestEquationOfState:
    OPTIONS = ("alloy.extxyz", "--points", "5", "--steps", "2")

    def test_writes_numbers_and_a_page(self, run, tmp_path):
        code, out, err = run("eos", *self.OPTIONS)
        assert code == 0, err
        assert "Page: alloy-eos/eos.html" in out
        data = json.loads((tmp_path / "alloy-eos" / "eos.json").read_text("utf-8"))
        assert data["settings"]["relax"] == "atoms"
        assert data["units"]["bulk_modulus"] == "GPa"
        with open("alloy-eos/eos.csv", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert [float(row["energy_eV"]) for row in rows] == [
            point["energy"] for point in data["points"]
        ]
        assert "<svg" in (tmp_path / "alloy-eos" / "eos.html").read_text("utf-8")
        assert sorted(path.name for path in (tmp_path / "alloy-eos").iterdir()) == [
            "eos.csv", "eos.html", "eos.json", "eos.md",
        ]  # fmt: skip
        for notice in data["notices"]:
            assert notice in err

    def test_replaces_only_when_asked(self, run):
        assert run("eos", *self.OPTIONS)[0] == 0
        check_refusals(run, "eos", *self.OPTIONS)

    def test_a_folder_with_other_files_is_no_obstacle(self, run, tmp_path):
        assert run("eos", *self.OPTIONS, "--output", ".")[0] == 0
        assert (tmp_path / "alloy.extxyz").exists()

    def test_leaves_nothing_when_it_is_stopped(self, run, monkeypatch, tmp_path):
        from matsciml_tool_physics import equation_of_state

        def stop(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(equation_of_state, "relax_crystal", stop)
        code, _, err = run("eos", *self.OPTIONS)
        assert code == 130
        assert "Nothing was written" in err
        assert not (tmp_path / "alloy-eos").exists()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("slab.extxyz",), "periodic in all three directions"),
            (("nowhere.extxyz",), "does not exist"),
            (("alloy.extxyz", "--relax", "cell"), "'cell' is not one of"),
            (("alloy.extxyz", "--precision", "half"), "half"),
            (("alloy.extxyz", "-o", "alloy.extxyz"), "alloy.extxyz"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(self, run, arguments, words):
        code, _, err = run("eos", *arguments)
        assert code == 2
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert words in err


class TestElasticConstants:
    OPTIONS = ("alloy.extxyz", "--relax", "none", "--clamped")

    def test_writes_numbers_and_a_page(self, run, tmp_path):
        code, out, err = run("elastic", *self.OPTIONS)
        assert code == 0, err
        assert "Page: alloy-elastic/elastic.html" in out
        data = json.loads((tmp_path / "alloy-elastic" / "elastic.json").read_text("utf-8"))
        assert data["relaxed_ions"] is False
        assert data["stable"] is (min(data["eigenvalues"]) > 0)
        with open("alloy-elastic/elastic.csv", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == 21
        for row in rows:
            i, j = int(row["i"]) - 1, int(row["j"]) - 1
            assert float(row["from_stresses_GPa"]) == data["from_stresses"][i][j]
        assert "<svg" in (tmp_path / "alloy-elastic" / "elastic.html").read_text("utf-8")
        for notice in data["notices"]:
            assert notice in err
        check_refusals(run, "elastic", *self.OPTIONS)

    def test_zero_has_no_sign(self, run, tmp_path):
        code, _, err = run("elastic", "copper.extxyz", "--relax", "none")
        assert code == 0, err
        data = json.loads((tmp_path / "copper-elastic" / "elastic.json").read_text("utf-8"))
        constants = [value for row in data["from_energies"] for value in row]
        assert any(-0.005 < value < 0 for value in constants)
        page = (tmp_path / "copper-elastic" / "elastic.html").read_text("utf-8")
        numbers = re.findall(r"<td[^>]*>([-−]?0\.00)</td>", page)
        assert set(numbers) == {"0.00"}

    def test_a_slab_is_refused(self, run):
        code, _, err = run("elastic", "slab.extxyz")
        assert code == 2
        assert "periodic in all three directions" in err


class TestPhonons:
    OPTIONS = ("copper.extxyz", "--supercell", "2", "--relax", "none", "--mesh", "10")

    def test_writes_numbers_a_page_and_force_constants(self, run, tmp_path):
        code, out, err = run("phonons", *self.OPTIONS)
        assert code == 0, err
        assert "Page: copper-phonons/phonons.html" in out
        data = json.loads((tmp_path / "copper-phonons" / "phonons.json").read_text("utf-8"))
        assert [one["displacement"] for one in data["spectra"]] == [0.01, 0.03]
        assert data["supercell"] == [2, 2, 2]
        with open("copper-phonons/phonons.csv", encoding="utf-8") as stream:
            first = next(csv.DictReader(stream))
        assert first["segment"] == "G-X"
        assert float(first["THz_at_0.03_A"]) == pytest.approx(0, abs=1e-3)
        assert (tmp_path / "copper-phonons" / "phonons.html").read_text("utf-8").count("<svg") == 3
        assert "force_constants" in (tmp_path / "copper-phonons" / "phonopy.yaml").read_text()
        for notice in data["notices"]:
            assert notice in err
        check_refusals(run, "phonons", *self.OPTIONS)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("slab.extxyz",), "periodic in all three directions"),
            (("copper.extxyz", "--supercell", "2,2"), "'--supercell 2,2' is not understood"),
            (("copper.extxyz", "--displacement", "3"), "between 0 and 1 Å"),
            (("copper.extxyz", "--displacement", "nan"), "'--displacement' is nan; give a finite"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(self, run, arguments, words):
        code, _, err = run("phonons", *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert words in err


class TestBarrier:
    def test_writes_numbers_a_page_and_the_path(self, run, tmp_path):
        options = ("hop-a.extxyz", "hop-b.extxyz", "--keep-ends", "--images", "1", "--steps", "2")
        code, out, err = run("barrier", *options)
        data = json.loads((tmp_path / "hop-a-hop-b-barrier" / "barrier.json").read_text("utf-8"))
        assert code == (0 if data["converged"] else 1), err
        assert "Page: hop-a-hop-b-barrier/barrier.html" in out
        images = read("hop-a-hop-b-barrier/path.extxyz", index=":")
        energies = [image.get_potential_energy() for image in images]
        assert max(energies) - energies[0] == pytest.approx(data["forward"], abs=1e-6)
        assert max(energies) - energies[-1] == pytest.approx(data["backward"], abs=1e-6)
        assert all((image.numbers == images[0].numbers).all() for image in images)
        assert "<svg" in (tmp_path / "hop-a-hop-b-barrier" / "barrier.html").read_text("utf-8")
        code, _, err = run("barrier", *options)
        assert (code, "--replace" in err) == (2, True)

    def test_the_path_is_never_written_over_what_is_read(self, run, tmp_path):
        folder = tmp_path / "there"
        folder.mkdir()
        (tmp_path / "hop-a.extxyz").rename(folder / "path.extxyz")
        code, _, err = run(
            "barrier", "there/path.extxyz", "hop-b.extxyz", "-o", "there", "--replace"
        )
        assert code == 2
        assert "is what the command reads" in err

    @pytest.mark.parametrize(
        ("second", "words"),
        [
            ("alloy.extxyz", "structures of the same atoms"),
            ("hop-a.extxyz", "the same once they are relaxed"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(self, run, second, words):
        code, _, err = run("barrier", "hop-a.extxyz", second, "--keep-ends")
        assert (code, err.count("\n")) == (2, 1)
        assert words in err


class TestVacancy:
    OPTIONS = ("copper.extxyz", "--supercell", "2", "--supercell", "2,2,3", "--steps", "3")

    def test_writes_numbers_a_page_and_structures(self, run, tmp_path):
        code, out, err = run("vacancy", *self.OPTIONS)
        assert code == 0, err
        assert "Page: copper-vacancy/vacancy.html" in out
        folder = tmp_path / "copper-vacancy"
        data = json.loads((folder / "vacancy.json").read_text("utf-8"))
        (vacancy,) = data["vacancies"]
        assert [one["num_atoms"] for one in vacancy["supercells"]] == [8, 12]
        last = vacancy["supercells"][-1]["minus_crystal"]
        assert vacancy["formation"] == pytest.approx(last + vacancy["potential"])
        with open(folder / "vacancy.csv", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert float(rows[-1]["formation_eV"]) == pytest.approx(vacancy["formation"])
        assert "<svg" in (folder / "vacancy.html").read_text("utf-8")
        assert len(read(folder / "vacancies.extxyz")) == 11
        for notice in data["notices"]:
            assert notice in err
        check_refusals(run, "vacancy", *self.OPTIONS)

    def test_a_compound_needs_a_reference(self, run):
        options = ("alloy.extxyz", "--supercell", "1", "--relax", "none", "--steps", "1")
        code, out, err = run("vacancy", *options)
        assert code == 0, err
        assert "to be added" in out
        assert "--reference" in err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("slab.extxyz",), "periodic in all three directions"),
            (("copper.extxyz", "--supercell", "0"), "'--supercell 0' is not understood"),
            (("copper.extxyz", "--element", "Au"), "The crystal has no Au"),
            (("copper.extxyz", "--reference", "alloy.extxyz"), "several elements"),
            (("copper.extxyz", "--reference", "nowhere.extxyz"), "does not exist"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(self, run, arguments, words):
        code, _, err = run("vacancy", *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert words in err

    def test_a_reference_is_never_written_over(self, run, tmp_path):
        folder = tmp_path / "there"
        folder.mkdir()
        (tmp_path / "copper.extxyz").rename(folder / "vacancies.extxyz")
        code, _, err = run(
            "vacancy", "alloy.extxyz", "--reference", "there/vacancies.extxyz", "-o", "there",
            "--replace",
        )  # fmt: skip
        assert code == 2
        assert "is what the command reads" in err


class TestSurface:
    OPTIONS = ("copper.extxyz", "--miller", "1,0,0", "--thickness", "4", "--thickness", "7",
               "--steps", "2")  # fmt: skip

    def test_writes_numbers_a_page_and_slabs(self, run, tmp_path):
        code, out, err = run("surface", *self.OPTIONS)
        assert code == 0, err
        assert "Page: copper-surface/surface.html" in out
        folder = tmp_path / "copper-surface"
        data = json.loads((folder / "surface.json").read_text("utf-8"))
        (surface,) = data["surfaces"]
        assert surface["miller"] == [1, 0, 0]
        # E_slab − N ε over both faces, 16.02 J/m² being 1 eV/Å²
        slab = surface["slabs"][-1]
        excess = slab["energy"] - slab["num_atoms"] * data["energy_per_atom"]
        expected = 16.02176634 * excess / (2 * slab["area"])
        assert surface["surface_energy"] == pytest.approx(expected)
        with open(folder / "surface.csv", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert float(rows[-1]["surface_energy_J_per_m2"]) == surface["surface_energy"]
        assert "<svg" in (folder / "surface.html").read_text("utf-8")
        slab = read(folder / "slabs.extxyz")
        assert slab.pbc.tolist() == [True, True, False]
        for notice in data["notices"]:
            assert notice in err
        check_refusals(run, "surface", *self.OPTIONS)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("slab.extxyz",), "periodic in all three directions"),
            (("copper.extxyz", "--miller", "1,1"), "'--miller 1,1' is not understood"),
            (("copper.extxyz", "--miller", "1,0,1,0"), "first three add up to zero"),
            (("copper.extxyz", "--miller", "a,b,c"), "is not understood"),
            (("copper.extxyz", "--miller", "0,0,0"), "no direction"),
            (("copper.extxyz", "--thickness", "-3"), "between 0 and 200"),
            (("copper.extxyz", "--thickness", "9", "--thickness", "inf"), "'--thickness' is inf"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(self, run, arguments, words):
        code, _, err = run("surface", *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert words in err

    @pytest.mark.parametrize("text", ["111", "1,1,1", "1,1,-2,1"])
    def test_indices_are_read_as_they_are_written(self, text):
        from matsciml_tool_physics.commands.surface import _miller

        assert _miller(text) == (1, 1, 1)
