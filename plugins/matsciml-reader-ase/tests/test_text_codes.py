"""What ASE misses in outputs of codes: each layout is that of the program, as short as it comes."""

from __future__ import annotations

import re
from pathlib import Path

import ase
import numpy as np
import pytest
from ase.data import atomic_masses
from ase.units import Bohr, GPa, Ha, Ry

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, Record, parse_files, read
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.registry.manager import build_registry

TESTDATA = Path(ase.__file__).parent / "test" / "testdata"


def frames_of(path: Path, reader: str) -> list[Frame]:
    return [record for record in read(path, reader) if isinstance(record, Frame)]


def torn_of(path: Path, reader: str) -> list[Record]:
    return [record for record in read(path, reader) if isinstance(record, Rejection)]


# --- Quantum ESPRESSO -----------------------------------------------------------------------------

PW_START = """\

     Program PWSCF v.7.2 starts on  1Jan2026 at 10: 0: 0

     number of atoms/cell      =            2
     number of atomic types    =            1
     celldm(1)=  10.000000  celldm(2)=   0.000000  celldm(3)=   0.000000

     crystal axes: (cart. coord. in units of alat)
               a(1) = (   1.000000   0.000000   0.000000 )
               a(2) = (   0.000000   1.000000   0.000000 )
               a(3) = (   0.000000   0.000000   1.000000 )

   Cartesian axes

     site n.     atom                  positions (alat units)
         1           H   tau(   1) = (   0.0000000   0.0000000   0.0000000  )
         2           H   tau(   2) = (   0.0000000   0.0000000   0.1500000  )

"""
PW_FORCES = """
     Forces acting on atoms (cartesian axes, Ry/au):

     atom    1 type  1   force =     0.00000000    0.00000000   -0.02000000
     atom    2 type  1   force =     0.00000000    0.00000000    0.02000000

     Total force =     0.028284     Total SCF correction =     0.000000

          total   stress  (Ry/bohr**3)                   (kbar)     P=        1.47
   0.00001000   0.00000000   0.00000000            1.47        0.00        0.00
   0.00000000   0.00001000   0.00000000            0.00        1.47        0.00
   0.00000000   0.00000000   0.00001000            0.00        0.00        1.47

"""
PW_NEXT = """
ATOMIC_POSITIONS (angstrom)
H        0.000000000   0.000000000   0.000000000    0   0   0
H        0.000000000   0.000000000   0.780000000

"""


def scf(*lines: str) -> str:
    return "".join(f"\n{line} Ry\n\n" for line in lines)


def test_the_energy_of_a_hybrid_functional_is_the_one_that_forces_belong_to(tmp_path):
    """As pw.x prints B3LYP: the first energy of each step has no exchange, or an outdated one."""
    first = scf(
        "!    total energy              =     -34.41937554",
        "!    total energy              =     -34.37296378",
        "!!   total energy              =     -34.37303130",
    )
    second = scf(
        "!    total energy              =     -35.93815867",
        "!!   total energy              =     -34.37325932",
    )
    path = tmp_path / "relax.pwo"
    path.write_text(f"{PW_START}{first}{PW_FORCES}{PW_NEXT}{second}{PW_FORCES}")
    frames = frames_of(path, "espresso")
    energies = [frame.values["energy"] for frame in frames]
    np.testing.assert_allclose(energies, np.array([-34.37303130, -34.37325932]) * Ry, rtol=1e-6)
    for frame in frames:
        assert frame.values["free_energy"] == frame.values["energy"]
        np.testing.assert_allclose(frame.values["forces"][1], [0, 0, 0.02 * Ry / Bohr], rtol=1e-6)
        # pw.x is positive under compression.
        assert frame.values["stress"][0] == pytest.approx(-1e-5 * Ry / Bohr**3, rel=1e-6)


def test_atoms_that_pw_holds_are_marked_in_every_step(tmp_path):
    energy = scf("!    total energy              =     -2.2")
    path = tmp_path / "relax.pwo"
    path.write_text(f"{PW_START}{energy}{PW_FORCES}{PW_NEXT}{energy}{PW_FORCES}")
    frames = frames_of(path, "espresso")
    assert [frame.site_properties["fixed"].tolist() for frame in frames] == [[1, 0], [1, 0]]
    assert frames[1].positions[1].tolist() == [0, 0, 0.78]


@pytest.mark.parametrize("kept", ["force =     0.00000000    0.00000000    0.0", "ATOMIC_POS"])
def test_a_step_of_pw_that_was_not_written_to_its_end_is_counted(tmp_path, kept):
    energy = scf("!    total energy              =     -2.2")
    text = f"{PW_START}{energy}{PW_FORCES}{PW_NEXT}{energy}{PW_FORCES}"
    path = tmp_path / "relax.pwo"
    path.write_text(text[: text.rindex(kept) + len(kept)])
    frames = frames_of(path, "espresso")
    assert len(frames) == 1
    # What was only begun, and has no result at all, is no step of which anything is lost.
    assert len(torn_of(path, "espresso")) == (kept != "ATOMIC_POS")


# --- CASTEP ---------------------------------------------------------------------------------------

CASTEP_START = """\
 +-------------------------------------------------+
 |  Welcome to Academic Release CASTEP version 23  |
 +-------------------------------------------------+
 ************************************ Title ************************************

 *******************************************************************************
"""
CASTEP_CELL = """
                           -------------------------------
                                      Unit Cell
                           -------------------------------
        Real Lattice(A)              Reciprocal Lattice(1/A)
     4.0000000     0.0000000     0.0000000        1.570796327   0.000000000   0.000000000
     0.0000000     4.0000000     0.0000000        0.000000000   1.570796327   0.000000000
     0.0000000     0.0000000     4.0000000        0.000000000   0.000000000   1.570796327

                       Lattice parameters(A)       Cell Angles
                    a =      4.000000          alpha =   90.000000

                           -------------------------------
                                     Cell Contents
                           -------------------------------
                         Total number of ions in cell =    1
                      Total number of species in cell =    1
                        Max number of any one species =    1

            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            x  Element    Atom        Fractional coordinates of atoms  x
            x            Number           u          v          w      x
            x----------------------------------------------------------x
            x  Si           1         0.000000   0.000000   {w}   x
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx

"""
CASTEP_RESULTS = """
Final energy, E             =  -340.9490879813     eV
Final free energy (E-TS)    =  -340.9490902954     eV
(energies not corrected for finite basis set)

NB est. 0K energy (E-0.5TS)      =  -340.9490891384     eV

{dispersion}
 ***************** Symmetrised Forces *****************
 *                                                    *
 *            Cartesian components (eV/A)             *
 * -------------------------------------------------- *
 *                   x            y            z      *
 *                                                    *
 * Si    1      0.00000      0.00000     -0.12500     *
 *                                                    *
 ******************************************************
"""
SEDC = """\
(SEDC) Total Energy Correction : -0.567289E+00 eV

Dispersion corrected final energy*, Ecor          =  -341.5163768370     eV
Dispersion corrected final free energy* (Ecor-TS) =  -341.5163791511     eV
NB dispersion corrected est. 0K energy* (Ecor-0.5TS) =  -341.5163779940     eV
"""
CASTEP_END = "\nInitialisation time =      1.00 s\nFinalisation time   =      0.20 s\n"


def castep_step(w: str, dispersion: str = "") -> str:
    return CASTEP_CELL.replace("{w}", w) + CASTEP_RESULTS.format(dispersion=dispersion)


NEXT = "\n BFGS: improving iteration         1 with line minimization\n"


def test_energies_of_castep_have_the_dispersion_that_forces_have(tmp_path):
    path = tmp_path / "si.castep"
    path.write_text(CASTEP_START + castep_step("0.000000", SEDC) + CASTEP_END)
    (frame,) = frames_of(path, "castep")
    assert frame.values["free_energy"] == -341.5163791511
    assert frame.values["energy_sigma0"] == -341.5163779940
    assert "energy" not in frame.values
    path.write_text(CASTEP_START + castep_step("0.000000") + CASTEP_END)
    (frame,) = frames_of(path, "castep")
    assert frame.values["free_energy"] == -340.9490902954


def test_which_energy_of_castep_is_asked(tmp_path):
    path = tmp_path / "si.castep"
    path.write_text(CASTEP_START + castep_step("0.000000", SEDC) + CASTEP_END)
    registry = build_registry()
    with pytest.raises(ConfigError, match=r"energy_sigma0 \(eV\), .*free_energy \(eV\)"):
        parse_files(ImportRequest(paths=(path,), labels=("energy=eV",)), registry)


def test_a_run_of_castep_that_was_killed_keeps_its_complete_steps(tmp_path):
    path = tmp_path / "si.castep"
    steps = castep_step("0.000000") + NEXT + castep_step("0.100000") + NEXT
    path.write_text(CASTEP_START + steps + CASTEP_CELL.replace("{w}", "0.200000"))
    frames = frames_of(path, "castep")
    assert [frame.positions[0][2] for frame in frames] == pytest.approx([0, 0.4])
    assert len(torn_of(path, "castep")) == 1


def test_all_runs_in_one_file_of_castep_are_read(tmp_path):
    path = tmp_path / "si.castep"
    runs = [CASTEP_START + castep_step(w) + CASTEP_END for w in ("0.000000", "0.100000")]
    path.write_text("".join(runs))
    frames = frames_of(path, "castep")
    assert [frame.positions[0][2] for frame in frames] == pytest.approx([0, 0.4])
    assert [frame.name for frame in frames] == ["si-000000", "si-000001"]
    assert not torn_of(path, "castep")


# --- GPAW -----------------------------------------------------------------------------------------

GPAW_START = """
  ___ ___ ___ _ _ _
 |   |   |_  | | | |
 | | | | | . | | | |
 |__ |  _|___|_____|  24.1.0
 |___|_|
"""
GPAW_STEP = """
Positions:
   0 Al     0.000000    0.000000    {z}    ( 0.0000,  0.0000,  0.0000)

Unit cell:
           periodic     x           y           z      points  spacing
  1. axis:    yes    4.000000    0.000000    0.000000    16     0.2500
  2. axis:    yes    0.000000    4.000000    0.000000    16     0.2500
  3. axis:    yes    0.000000    0.000000    4.000000    16     0.2500

Energy contributions relative to reference atoms: (reference = -6586.142850)

Kinetic:         +4.000000
Entropy (-ST):   -0.200000
--------------------------
Free energy:     -3.700000
Extrapolated:    -3.600000

Forces in eV/Ang:
  0 Al    0.00000    0.00000   -0.25000

"""


def test_energies_of_gpaw_are_called_by_their_kind(tmp_path):
    path = tmp_path / "al.txt"
    path.write_text(GPAW_START + GPAW_STEP.replace("{z}", "0.000000"))
    (frame,) = frames_of(path, "gpaw")
    assert frame.values["free_energy"] == pytest.approx(-3.7)
    assert frame.values["energy_sigma0"] == -3.6
    assert "energy" not in frame.values


@pytest.mark.parametrize("cut", ["0.00000    0.00000   -0", "Energy contributions"])
def test_a_torn_step_of_gpaw_costs_no_other(tmp_path, cut):
    steps = [GPAW_STEP.replace("{z}", z) for z in ("0.000000", "0.100000", "0.200000")]
    text = GPAW_START + "".join(steps)
    path = tmp_path / "al.txt"
    path.write_text(text[: text.rindex(cut)])
    frames = frames_of(path, "gpaw")
    assert [frame.positions[0][2] for frame in frames] == [0, 0.1]
    assert len(torn_of(path, "gpaw")) == 1


# --- FHI-aims -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["md.out", "relax.out"])
def test_a_run_of_aims_that_was_killed_keeps_its_complete_steps(tmp_path, name):
    source = TESTDATA / "aims" / name
    if not source.exists():
        pytest.skip("this ASE comes without its files for tests")
    text = source.read_text()
    whole = frames_of(source, "aims")
    path = tmp_path / name
    # The last step has a structure and energies of its iterations, and no forces.
    path.write_text(text[: text.rindex("Total atomic forces")])
    frames = frames_of(path, "aims")
    assert len(frames) == len(whole) - 1 > 1
    assert len(torn_of(path, "aims")) == 1
    for frame, other in zip(frames, whole, strict=False):
        np.testing.assert_array_equal(frame.positions, other.positions)
        assert frame.values["energy"] == other.values["energy"]


def test_momenta_of_aims_have_the_kinetic_energy_that_it_prints():
    source = TESTDATA / "aims" / "md.out"
    if not source.exists():
        pytest.skip("this ASE comes without its files for tests")
    printed = re.findall(r"Nuclear kinetic energy *: *(\S+) eV", source.read_text())
    frames = frames_of(source, "aims")
    assert len(frames) == len(printed) > 1
    for frame, energy in zip(frames, printed, strict=True):
        masses = atomic_masses[np.asarray(frame.atomic_numbers)]
        kinetic = (np.asarray(frame.values["momenta"]) ** 2).sum(axis=1) / (2 * masses)
        assert kinetic.sum() == pytest.approx(float(energy), rel=1e-3)


def test_a_first_step_that_was_cut_is_explained(tmp_path):
    path = tmp_path / "al.txt"
    path.write_text(GPAW_START)
    with pytest.raises(DataError, match="no complete step"):
        list(read(path, "gpaw"))


def test_what_the_codes_print_needs_no_unit(tmp_path):
    path = tmp_path / "al.txt"
    path.write_text(GPAW_START + GPAW_STEP.replace("{z}", "0.000000"))
    labels = ("energy=free_energy:eV", "forces")
    conversion = parse_files(ImportRequest(paths=(path,), labels=labels), build_registry())
    assert next(iter(conversion.source(0))).labels["energy"] == pytest.approx(-3.7)


# --- ABINIT ---------------------------------------------------------------------------------------

ABINIT_START = """

.Version 10.4.7 of ABINIT, released Oct 2025.

 -outvars: echo values of preprocessed input variables --------
            acell      8.0000000000E+00  8.0000000000E+00  1.0000000000E+01 Bohr
              amu      2.80855000E+01  1.20110000E+01
            natom           2
           ntypat           2
            rprim      0.0000000000E+00  5.0000000000E-01  5.0000000000E-01
                       5.0000000000E-01  0.0000000000E+00  5.0000000000E-01
                       5.0000000000E-01  5.0000000000E-01  0.0000000000E+00
P           mkmem           1
            typat      1  2
            znucl       14.00000    6.00000

================================================================================

 chkinp: Checking input parameters for consistency.
"""
ABINIT_DATASET = """
== DATASET  {n} ==================================================================

 Real(R)+Recip(G) space primitive vectors, cartesian coordinates (Bohr,Bohr^-1):
 R(1)=  0.0000000  4.0000000  5.0000000  G(1)= -0.1250000  0.1250000  0.1000000
 R(2)=  4.0000000  0.0000000  5.0000000  G(2)=  0.1250000 -0.1250000  0.1000000
 R(3)=  4.0000000  4.0000000  0.0000000  G(3)=  0.1250000  0.1250000 -0.1000000
"""
ABINIT_SCF = """
     iter   Etot(hartree)      deltaE(h)  residm     vres2
 ETOT  1  -10.109466276013    -1.109E+00 2.634E-06 1.742E+01
 ETOT  2  -10.250000000000    -7.579E-03 1.569E-09 2.639E-01

 Cartesian components of stress tensor (hartree/bohr^3)
  sigma(1 1)=  1.00000000E-04  sigma(3 2)=  4.00000000E-05
  sigma(2 2)=  2.00000000E-04  sigma(3 1)=  5.00000000E-05
  sigma(3 3)=  3.00000000E-04  sigma(2 1)=  6.00000000E-05

"""
ABINIT_OUTPUT = """
---OUTPUT-----------------------------------------------------------------------

 Cartesian coordinates (xcart) [bohr]
  0.00000000000000E+00  0.00000000000000E+00  0.00000000000000E+00
  2.00000000000000E+00  2.00000000000000E+00  {z}
 Reduced coordinates (xred)
  0.00000000000000E+00  0.00000000000000E+00  0.00000000000000E+00
  2.50000000000000E-01  2.50000000000000E-01  2.50000000000000E-01
 Cartesian forces (fcart) [Ha/bohr]; max,rms= 1.00000E-02 1.00000E-02 (free atoms)
 -0.00000000000000E+00 -0.00000000000000E+00 -1.00000000000000E-02
  0.00000000000000E+00  0.00000000000000E+00  1.00000000000000E-02
 Total energy (etotal) [Ha]= -1.02500000000000E+01
"""
ABINIT_AT_END = """
 ----iterations are completed or convergence reached----

 cartesian coordinates (angstrom) at end:
    1      0.00000000000000     0.00000000000000     0.00000000000000
    2      1.05835442108800     1.05835442108800     1.32294302636000

 cartesian forces (hartree/bohr) at end:
    1     -0.00000000000000    -0.00000000000000    -0.01000000000000
    2      0.00000000000000     0.00000000000000     0.01000000000000

 cartesian forces (eV/Angstrom) at end:
    1     -0.00000000000000    -0.00000000000000    -0.51422067476200
    2      0.00000000000000     0.00000000000000     0.51422067476200
"""
ABINIT_END = "\n== END DATASET(S) =============================================\n"
CELL = np.array([[0, 4, 5], [4, 0, 5], [4, 4, 0]]) * Bohr


def check_abinit(frame: Frame, z: float) -> None:
    np.testing.assert_allclose(frame.cell, CELL, rtol=1e-6)
    assert frame.atomic_numbers == [14, 6]
    np.testing.assert_allclose(frame.positions[1], np.array([2, 2, z]) * Bohr, rtol=1e-6)
    assert frame.values["energy"] == pytest.approx(-10.25 * Ha, rel=1e-6)
    np.testing.assert_allclose(frame.values["forces"][1], [0, 0, 0.01 * Ha / Bohr], rtol=1e-6)
    stress = np.array([[1, 0.6, 0.5], [0.6, 2, 0.4], [0.5, 0.4, 3]]) * 1e-4 * Ha / Bohr**3
    np.testing.assert_allclose(frame.values["stress"], stress, rtol=1e-6)
    # As ABINIT prints it in GPa.
    assert np.trace(frame.values["stress"]) / GPa == pytest.approx(17.6526, rel=1e-4)


def test_the_cell_of_abinit_is_scaled_and_in_bohr(tmp_path):
    path = tmp_path / "sic.abo"
    path.write_text(
        ABINIT_START + ABINIT_DATASET.format(n=1) + ABINIT_SCF + ABINIT_AT_END + ABINIT_END
    )
    (frame,) = frames_of(path, "abinit")
    check_abinit(frame, 2.5)


def test_all_steps_and_datasets_of_abinit_are_read(tmp_path):
    steps = [ABINIT_SCF + ABINIT_OUTPUT.replace("{z}", f"{z:.14E}") for z in (2.5, 2.6, 2.7)]
    text = ABINIT_START + ABINIT_DATASET.format(n=1) + "".join(steps) + ABINIT_AT_END
    text += ABINIT_DATASET.format(n=2) + ABINIT_SCF + ABINIT_AT_END + ABINIT_END
    path = tmp_path / "sic.abo"
    path.write_text(text)
    frames = frames_of(path, "abinit")
    assert len(frames) == 4
    for frame, z in zip(frames, (2.5, 2.6, 2.7, 2.5), strict=True):
        check_abinit(frame, z)
    assert not torn_of(path, "abinit")


@pytest.mark.parametrize("cut", ["-1.00000000000000E-02", "Total energy (etotal)", " Cartesian co"])
def test_a_torn_step_of_abinit_is_counted(tmp_path, cut):
    steps = [ABINIT_SCF + ABINIT_OUTPUT.replace("{z}", f"{z:.14E}") for z in (2.5, 2.6, 2.7)]
    text = ABINIT_START + ABINIT_DATASET.format(n=1) + "".join(steps)
    path = tmp_path / "sic.abo"
    path.write_text(text[: text.rindex(cut)])
    frames = frames_of(path, "abinit")
    assert len(frames) == 2
    check_abinit(frames[1], 2.6)
    assert len(torn_of(path, "abinit")) == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("natom ", "natom1", "does not say 'natom' for all its datasets"),
        ("14.00000", "14.50000", "fractional charge"),
        ("== DATASET", "== NO", "no output of ABINIT"),
    ],
)
def test_what_abinit_leaves_open_is_explained(tmp_path, old, new, sentence):
    text = ABINIT_START + ABINIT_DATASET.format(n=1) + ABINIT_SCF + ABINIT_AT_END
    path = tmp_path / "sic.abo"
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=sentence):
        list(read(path, "abinit"))
