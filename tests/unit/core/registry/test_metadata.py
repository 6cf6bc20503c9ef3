"""Reading the metadata of installed distributions, quickly and thoroughly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matsciml_core.registry._metadata import find_version, read_headers, stem
from matsciml_core.registry.scan import GROUP

ONE = f"[{GROUP}]\nmine = mine.plugin\n"


def test_headers_end_where_the_description_begins(plugin_folder: Any) -> None:
    metadata = plugin_folder.add_metadata("d", ONE, requires=["a", "b>1"])
    headers = read_headers(str(metadata))
    assert headers["Requires-Dist"] == ["a", "b>1"]


def test_folded_headers_do_not_become_headers(plugin_folder: Any) -> None:
    metadata = plugin_folder.add_metadata("d", ONE)
    (metadata / "METADATA").write_text("Name: d\nLicense: long\n        Version: 9\nVersion: 1\n")
    assert read_headers(str(metadata)) == {"Name": ["d"], "License": ["long"], "Version": ["1"]}


def test_stem_of_a_folder_without_version() -> None:
    assert stem("/a/matsciml_data_mine.egg-info") == ("matsciml_data_mine", "")


def test_thorough_search_agrees_with_the_headers(plugin_folder: Any) -> None:
    plugin_folder.add_metadata("Some-Dist", None, version="3.1")
    assert find_version("some.dist", plugin_folder.search) == "3.1"
    assert find_version("no-such-dist", plugin_folder.search) is None


def test_thorough_search_skips_left_overs(plugin_folder: Any, tmp_path: Path) -> None:
    (plugin_folder.path / "dist-1.dist-info").mkdir()
    good = tmp_path / "later" / "dist-2.dist-info"
    good.mkdir(parents=True)
    (good / "METADATA").write_text("Metadata-Version: 2.1\nName: dist\nVersion: 2\n")
    assert find_version("dist", [*plugin_folder.search, str(good.parent)]) == "2"


def test_blank_lines_of_a_folded_header_do_not_end_the_headers(plugin_folder: Any) -> None:
    metadata = plugin_folder.add_metadata("d", ONE)
    (metadata / "METADATA").write_text(
        "Name: d\nLicense: long\n         \n        text\nRequires-Dist: a\n\nRequires-Dist: b\n"
    )
    assert read_headers(str(metadata))["Requires-Dist"] == ["a"]
