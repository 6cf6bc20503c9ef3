"""The installer: which pins it keeps, and what it says where it fails."""

from __future__ import annotations

import sys

import pytest

from matsciml_core.errors import ConfigError
from matsciml_tool_env import installer
from matsciml_tool_env.index import PluginEnvironment
from matsciml_tool_env.installer import install, interpreter, make_folder, needs_pip
from matsciml_tool_env.packages import Packages, link

PINS = {"e3nn": "0.6.0", "ase": "3.29.0", "torch": "2.13.0+cpu"}
CHOSEN = "Would install ase-3.30.0 e3nn-0.4.4 mace_torch-0.3.16"
PIP = [
    "ERROR: Cannot install mace-torch==0.3.16 because ...",
    "mace-torch 0.3.16 depends on e3nn==0.4.4",
    "The user requested (constraint) e3nn==0.6.0",
]
UV = [
    "Because mace-torch==0.3.16 depends on e3nn==0.4.4 and you require",
    "mace-torch and e3nn==0.6.0, we can conclude that they are unsatisfiable.",
]


@pytest.fixture
def attempts(monkeypatch, tmp_path):
    """Return a function that plays the installer: an answer for each call; it keeps the pins."""
    constraints = tmp_path / "constraints.txt"

    def play(*answers: tuple[int, list[str]]) -> list[set[str]]:
        seen: list[set[str]] = []
        pending = list(answers)

        def run(command, say):
            pinned = "--constraint" in command
            seen.append(set(constraints.read_text().split()) if pinned else set())
            return pending.pop(0)

        monkeypatch.setattr(installer, "_run", run)
        install(PluginEnvironment(tmp_path), ["mace-torch"], PINS, constraints, lambda text: None)
        assert not pending
        return seen

    return play


def test_pins_are_kept_where_they_agree(attempts):
    dry, pinned = attempts((0, [CHOSEN]), (0, []))
    assert dry == set()
    # What the main environment lacks is held at what was chosen without any pin.
    assert pinned == {"e3nn==0.6.0", "ase==3.29.0", "torch==2.13.0+cpu", "mace-torch==0.3.16"}


@pytest.mark.parametrize("complaint", [PIP, UV])
def test_a_pin_that_contradicts_gives_way(attempts, complaint):
    *_, last = attempts((0, [CHOSEN]), (1, complaint), (0, []))
    assert last == {"e3nn==0.4.4", "ase==3.29.0", "torch==2.13.0+cpu", "mace-torch==0.3.16"}


def test_uv_lists_what_it_would_install(attempts):
    _, pinned = attempts((0, [" + mace-torch==0.3.16".strip(), "+ e3nn==0.4.4"]), (0, []))
    assert "mace-torch==0.3.16" in pinned


@pytest.mark.parametrize(
    "answers",
    [
        [(1, ["ERROR: No matching distribution found for mace-torch"])],
        [(0, [CHOSEN]), (1, ["ERROR: No space left on device"])],
        # The pin that gave way does not help, so that there is no end.
        [(0, [CHOSEN]), (1, PIP), (1, ["The user requested (constraint) e3nn==0.4.4"])],
    ],
)
def test_what_cannot_be_installed_is_said(attempts, answers):
    with pytest.raises(
        ConfigError, match=r"mace-torch cannot be installed: .*same command goes on"
    ):
        attempts(*answers)


def test_an_interpreter_that_does_not_exist():
    assert interpreter(None) == sys.executable
    with pytest.raises(ConfigError, match=r"There is no Python 'python2\.1'"):
        interpreter("python2.1")


def test_a_wheel_is_installed(near, write_wheel, tmp_path, monkeypatch):
    """Really, without a network."""
    environment = PluginEnvironment(near / "small")
    make_folder(environment, sys.executable)
    assert needs_pip(environment)
    link("pip", Packages(), environment.site)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = write_wheel(tmp_path, "alpha", modules={"alpha.py": "x = 1\n"})
    lines: list[str] = []
    install(environment, [str(wheel)], PINS, tmp_path / "constraints.txt", lines.append)
    assert Packages([str(environment.site)]).versions() == {
        "alpha": "1.0",
        "pip": Packages().versions()["pip"],
    }
    assert any(line.startswith("Processing ") for line in lines)
    assert installer.contradictions(environment) == ""


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            ["Looking in indexes: a", "ERROR: No version of x", "ERROR: No match.", "[notice] pip"],
            "No version of x No match.",
        ),
        (["Collecting x", "killed"], "Collecting x killed."),
        ([], ""),
    ],
)
def test_what_pip_says_is_cut_to_its_errors(lines: list[str], sentence: str) -> None:
    assert installer._last(lines) == sentence
