"""Commands that read structures take the settings of a format, as an import does."""

from __future__ import annotations

from pathlib import Path

import pytest

from matsciml_cli.app import as_command, execute
from matsciml_cli.commands import COMMANDS
from matsciml_core.registry.manager import build_registry

for distribution in ("reader_potentials", "tool_generate", "tool_physics", "tool_select"):
    pytest.importorskip(f"matsciml_{distribution}")
pytest.importorskip("matsciml_tool_simulate")
force_models = pytest.importorskip("matsciml_util_potential.testing.force_models")

CELL = 3.7
SITES = ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))
FILE = "copper.cfg"
COMMAND_LINES = (
    "predict MODEL copper.cfg",
    "relax MODEL copper.cfg --steps 500 --fmax 0.05",
    "md MODEL copper.cfg --steps 2",
    "eos MODEL copper.cfg --points 5 --steps 2",
    "elastic MODEL copper.cfg --steps 2",
    "phonons MODEL copper.cfg --supercell 1 --mesh 3",
    "barrier MODEL hop-a.cfg hop-b.cfg --steps 2 --fmax 5",
    "surface MODEL copper.cfg --miller 1,0,0 --steps 2 --thickness 4",
    "vacancy MODEL copper.cfg --supercell 2 --steps 2",
    "select 1 MODEL copper.cfg --by diversity --known hop-a.cfg --known known.extxyz",
    "evaluate-crystals copper.cfg --reference known.extxyz --no-coverage --workers 1",
)


def configuration(sites, repeats=1):
    """Return a configuration of copper, of which the file says no more than that it is type 0."""
    rows = [
        f"  {index + 1} 0 {CELL * x:.4f} {CELL * y:.4f} {CELL * z:.4f}"
        for index, (x, y, z) in enumerate(sites)
    ]
    return "\n".join(
        [
            *("BEGIN_CFG", " Size", f"  {len(sites)}", " Supercell"),
            f"  {CELL * repeats} 0 0",
            f"  0 {CELL} 0",
            f"  0 0 {CELL}",
            " AtomData:  id type cartes_x cartes_y cartes_z",
            *rows,
            "END_CFG\n",
        ]
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory, module_plugin_folder):
    write = force_models.force_model_writer(module_plugin_folder)
    return write(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_text(configuration(SITES))
    chain = [(x + shift, y, z) for shift in (0, 1) for x, y, z in SITES]
    for name, gap in (("a", 0), ("b", 1)):  # an atom less, beside its neighbour
        sites = [site for index, site in enumerate(chain) if index != gap]
        Path(f"hop-{name}.cfg").write_text(configuration(sites, repeats=2))
    Path("known.extxyz").write_text('1\nLattice="2.6 0 0 0 2.6 0 0 0 2.6"\nAu 0 0 0\n')


@pytest.mark.parametrize("line", COMMAND_LINES, ids=lambda line: line.split()[0])
def test_a_format_that_names_no_elements_is_read_with_them(line, model, files, capsys):
    words = [str(model) if word == "MODEL" else word for word in line.split()]
    assert execute(words) == 2
    assert "--set elements=" in capsys.readouterr().err
    code = execute([*words, "--set", "elements=Cu"])
    assert code == 0, capsys.readouterr().err


def test_every_command_with_a_format_takes_its_settings():
    registry = build_registry()
    commands = {spec.name: spec for spec in (*COMMANDS, *registry.specs("command"))}
    reading = set()
    for name, spec in commands.items():
        options = {text for option in as_command(name, spec.load()).params for text in option.opts}
        if "--format" in options and spec.name != "export":  # which writes the format
            reading.add(name)
            assert "--set" in options, f"'{name}' reads a format, and takes no setting of it"
    assert reading == {line.split()[0] for line in COMMAND_LINES}
