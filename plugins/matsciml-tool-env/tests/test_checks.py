"""What ``doctor`` says of contradictions and of environments that are not whole."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from matsciml_core.registry.manager import build_registry
from matsciml_tool_env import checks as module
from matsciml_tool_env.checks import checks, conflicts
from matsciml_tool_env.packages import Packages


@pytest.fixture
def installed(tmp_path, write_installed):
    """Return a function that installs MACE as its releases want it, beside NequIP."""

    def install(mace: str, nequip: str, version: str) -> Packages:
        site = tmp_path / "site"
        plugins = {"mace": "mace-torch", "nequip": "nequip-torch"}
        for name, package in plugins.items():
            write_installed(site, f"matsciml-model-{name}", requires=["matsciml", package])
        write_installed(site, "mace-torch", "0.3.16", requires=[f"e3nn{mace}"])
        write_installed(site, "nequip-torch", "0.6.1", requires=[f"e3nn{nequip}"])
        write_installed(site, "e3nn", version)
        return Packages([str(site)])

    return install


PLUGINS = ["matsciml-model-mace", "matsciml-model-nequip"]


@pytest.mark.parametrize(
    ("mace", "nequip", "version", "expected"),
    [
        ("==0.4.4", ">=0.6,<0.7", "0.6.0", ("mace-torch", "nequip-torch")),
        ("==0.4.4", ">=0.6,<0.7", "0.4.4", ("nequip-torch", "mace-torch")),
        ("<0.5", ">=0.5", "0.6.0", ("mace-torch", "nequip-torch")),
        ("<=0.5", ">0.5", "0.6.0", ("mace-torch", "nequip-torch")),
        ("==0.4.*", "~=0.5.1", "0.5.2", ("mace-torch", "nequip-torch")),
        ("==0.4.4", ">=0.4", "0.6.0", None),  # another release helps
        ("<0.5", ">=0.3", "0.6.0", None),
        ("<0.5", "!=0.4.4", "0.6.0", None),
        (">=0.4", ">=0.6", "0.6.0", None),
        ("", "", "0.6.0", None),
    ],
)
def test_contradictions(installed, mace, nequip, version, expected):
    found = list(conflicts(installed(mace, nequip, version), PLUGINS))
    pairs = [(first.distribution, second.distribution) for first, second in found]
    assert pairs == ([] if expected is None else [expected])


def test_a_contradiction_is_one_sentence_with_a_way_out(installed, data, monkeypatch):
    packages = installed("==0.4.4", ">=0.6", "0.6.0")
    monkeypatch.setattr(module, "Packages", lambda: packages)
    registry = build_registry(path=[str(data)])
    owners = [SimpleNamespace(distribution=name, module=name) for name in PLUGINS]
    monkeypatch.setattr(type(registry), "plugins", owners)
    (check,) = checks(registry)
    assert check.state == "failed"
    assert check.detail == (
        "mace-torch 0.3.16 wants e3nn==0.4.4, nequip-torch 0.6.1 >=0.6; `matsciml env create mace "
        "matsciml-model-mace` gives it its own"
    )
    assert check.fix.startswith("Run: pip uninstall matsciml-model-mace && matsciml env create")


def test_what_an_extra_brought_is_found_and_named(installed, data, monkeypatch):
    packages = installed("==0.4.4", ">=0.6", "0.6.0")
    folder = packages.folders["matsciml-model-mace"]
    lines = ['mace-torch; extra == "mace"', 'absent==1; extra == "other"']
    headers = ["Metadata-Version: 2.1", "Name: matsciml-model-mace", "Version: 1.0"]
    headers += ["Provides-Extra: mace", "Provides-Extra: other"]
    headers += [f"Requires-Dist: {line}" for line in ("matsciml", *lines)]
    Path(folder, "METADATA").write_text("\n".join(headers) + "\n")
    packages = Packages([str(Path(folder).parent)])
    monkeypatch.setattr(module, "Packages", lambda: packages)
    registry = build_registry(path=[str(data)])
    owners = [SimpleNamespace(distribution=name, module=name) for name in PLUGINS]
    monkeypatch.setattr(type(registry), "plugins", owners)
    (check,) = checks(registry)
    assert "`matsciml env create mace 'matsciml-model-mace[mace]'` gives" in check.detail
    assert check.fix == (
        "Run: pip uninstall mace-torch && matsciml env create mace 'matsciml-model-mace[mace]' "
        "&& pip install 'e3nn>=0.6'"
    )


def test_an_environment_that_is_not_whole(data):
    (data / "environments" / "half").mkdir(parents=True)
    (check,) = checks(build_registry(path=[]))
    assert (check.name, check.state) == ("half", "warning")
    assert check.fix.startswith("Run: matsciml env remove half && matsciml env create half")
