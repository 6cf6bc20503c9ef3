"""Finding the entry points of plugins in folders that are in every state of repair."""

from __future__ import annotations

import ast
import zipfile
from pathlib import Path
from typing import Any

import pytest

import matsciml_core
from matsciml_core.registry._metadata import egg_requirements
from matsciml_core.registry.scan import GROUP, EntryPoint, scan

ONE = f"[{GROUP}]\nmine = mine.plugin\n"


def test_reads_everything_that_the_manager_needs(plugin_folder: Any) -> None:
    plugin_folder.add_metadata(
        "matsciml-data-mine",
        f"[console_scripts]\nmine = mine:main\n\n[{GROUP}]\nmine = mine.plugin:HOOKS.inner\n",
        version="1.2.3",
        requires=["matsciml>=0.1", "numpy; python_version>'3'"],
    )
    assert scan(plugin_folder.search) == (
        EntryPoint(
            name="mine",
            module="mine.plugin",
            attribute="HOOKS.inner",
            distribution="matsciml-data-mine",
            version="1.2.3",
            requires=("matsciml>=0.1", "numpy; python_version>'3'"),
        ),
    )


def test_order_depends_on_names_only(plugin_folder: Any) -> None:
    plugin_folder.add_metadata("z-first-written", f"[{GROUP}]\nb = m1\na = m2\n")
    plugin_folder.add_metadata("a-last-written", f"[{GROUP}]\nb = m3\nA = m4\n")
    found = [(entry.name, entry.distribution) for entry in scan(plugin_folder.search)]
    assert found == [
        ("A", "a-last-written"),
        ("a", "z-first-written"),
        ("b", "a-last-written"),
        ("b", "z-first-written"),
    ]


@pytest.mark.parametrize(
    "entry_points",
    [
        None,
        "",
        "[console_scripts]\nmine = mine:main\n",
        f"# once had {GROUP}\n[console_scripts]\nmine = mine:main\n",
        f"[{GROUP}]\n",
        f"[{GROUP}.other]\nmine = mine\n",
    ],
)
def test_distributions_without_plugins_are_passed_over(
    plugin_folder: Any, entry_points: str | None
) -> None:
    plugin_folder.add_metadata("other", entry_points)
    assert scan(plugin_folder.search) == ()


@pytest.mark.parametrize(
    ("entry_points", "complaint"),
    [
        (f"mine = mine.plugin\n[{GROUP}]\n", "no section headers"),
        (f"[{GROUP}]\nmine = one\nmine = two\n", "already exists"),
        (f"[{GROUP}]\nmine\n", "parsing errors"),
        (f"[{GROUP}]\nmine = no module name!\n", "Couldn't parse entry point"),
    ],
)
def test_unreadable_entry_points_are_reported_with_the_distribution(
    plugin_folder: Any, entry_points: str, complaint: str
) -> None:
    plugin_folder.add_metadata("matsciml-data-broken", entry_points, version="0.3")
    plugin_folder.add_metadata("matsciml-data-good", ONE)
    broken, good = scan(plugin_folder.search)
    assert (good.name, good.fault) == ("mine", "")
    assert (broken.name, broken.distribution, broken.version) == (
        "matsciml-data-broken",
        "matsciml-data-broken",
        "0.3",
    )
    assert complaint in broken.fault
    assert "entry_points.txt" in broken.fault
    assert "\n" not in broken.fault


def test_entry_points_that_are_no_text(plugin_folder: Any) -> None:
    metadata = plugin_folder.add_metadata("matsciml-data-broken", "")
    (metadata / "entry_points.txt").write_bytes(f"[{GROUP}]\nx = \xff\n".encode("latin-1"))
    (broken,) = scan(plugin_folder.search)
    assert "decode" in broken.fault


def test_a_percent_sign_is_just_a_character(plugin_folder: Any) -> None:
    plugin_folder.add_metadata("d", f"[{GROUP}]\n50% = mine.plugin\n")
    assert [entry.name for entry in scan(plugin_folder.search)] == ["50%"]


@pytest.mark.parametrize("damage", ["missing", "binary", "empty"])
def test_unreadable_metadata_fall_back_on_the_folder_name(plugin_folder: Any, damage: str) -> None:
    metadata = plugin_folder.add_metadata("matsciml-data-mine", ONE, version="2.0") / "METADATA"
    if damage == "missing":
        metadata.unlink()
    else:
        metadata.write_bytes(b"\xff\xfe\x00" if damage == "binary" else b"")
    (entry,) = scan(plugin_folder.search)
    assert (entry.distribution, entry.version) == ("matsciml_data_mine", "2.0")
    assert entry.requires == ()


def test_the_first_on_the_path_hides_the_later(plugin_folder: Any, tmp_path: Path) -> None:
    plugin_folder.add_metadata("Some.Dist", f"[{GROUP}]\nmine = first\n")
    second = tmp_path / "second" / "some_dist-9.dist-info"
    second.mkdir(parents=True)
    (second / "entry_points.txt").write_text(f"[{GROUP}]\nmine = second\n")
    found = scan([*plugin_folder.search, str(second.parent)])
    assert [entry.module for entry in found] == ["first"]


def test_a_distribution_without_entry_points_hides_too(plugin_folder: Any, tmp_path: Path) -> None:
    plugin_folder.add_metadata("dist", None, version="2")
    old = tmp_path / "old" / "dist-1.dist-info"
    old.mkdir(parents=True)
    (old / "entry_points.txt").write_text(ONE)
    assert scan([*plugin_folder.search, str(old.parent)]) == ()


def test_what_an_interrupted_uninstall_leaves_is_skipped(plugin_folder: Any) -> None:
    metadata = plugin_folder.add_metadata("matsciml-data-mine", ONE)
    metadata.rename(metadata.with_name("~atsciml_data_mine-0.1.0.dist-info"))
    assert scan(plugin_folder.search) == ()


def test_folders_that_do_not_exist(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert scan([str(tmp_path / "none"), str(tmp_path / "file")]) == ()


def test_the_empty_path_entry_means_the_current_folder(
    plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_folder.add_metadata("d", ONE)
    monkeypatch.chdir(plugin_folder.path)
    assert [entry.name for entry in scan([""])] == ["mine"]


def test_the_default_is_the_import_path(plugin_folder: Any) -> None:
    plugin_folder.add_metadata("matsciml-data-only-here", f"[{GROUP}]\nonly-here = mine\n")
    assert "only-here" in [entry.name for entry in scan()]


def test_egg_info_with_its_requirements(plugin_folder: Any) -> None:
    folder = "matsciml_data_mine.egg-info"
    plugin_folder.write(f"{folder}/PKG-INFO", "Name: matsciml-data-mine\nVersion: 0.7\n")
    plugin_folder.write(f"{folder}/requires.txt", "numpy>=1\n\n[docs]\nsphinx\n")
    plugin_folder.write(f"{folder}/entry_points.txt", ONE)
    (entry,) = scan(plugin_folder.search)
    assert (entry.distribution, entry.version) == ("matsciml-data-mine", "0.7")
    assert entry.requires[0] == "numpy>=1"
    assert "extra" in entry.requires[1]


def test_egg_info_without_requirements(plugin_folder: Any) -> None:
    plugin_folder.write("d.egg-info/entry_points.txt", ONE)
    assert egg_requirements(str(plugin_folder.path / "d.egg-info")) == ()
    assert scan(plugin_folder.search)[0].distribution == "d"


def test_zip_archive_on_the_path(tmp_path: Path) -> None:
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-0.5.dist-info/entry_points.txt", ONE)
    (entry,) = scan([str(archive)])
    assert (entry.name, entry.distribution, entry.version) == ("mine", "zipped", "0.5")


def test_broken_zip_archive(tmp_path: Path) -> None:
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-0.5.dist-info/entry_points.txt", "no section")
    assert scan([str(archive)]) == ()


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    plain = [node.names for node in ast.walk(tree) if isinstance(node, ast.Import)]
    return {alias.name for names in plain for alias in names}


def test_entrypoints_is_used_in_one_module_only() -> None:
    files = Path(matsciml_core.__file__).parent.rglob("*.py")
    assert [file.name for file in files if "entrypoints" in imported(file)] == ["scan.py"]
