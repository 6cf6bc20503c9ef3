"""Distributions: what they need, and how their files come into another environment."""

from __future__ import annotations

import pytest

from matsciml_core.errors import ConfigError
from matsciml_tool_env.packages import Packages, discard_unfinished, link, needed


@pytest.fixture
def site(tmp_path, write_installed):
    """Return a folder with the core, two plugins, and what they need."""
    folder = tmp_path / "site"
    write_installed(folder, "matsciml", requires=["alpha>=1", "other; extra == 'more'"])
    write_installed(folder, "alpha", "1.5", requires=["beta"], modules={"alpha.py": "x = 1\n"})
    write_installed(folder, "beta", "2.0")
    write_installed(folder, "matsciml-model-one", requires=["matsciml>=0.1", "gamma==3"])
    write_installed(folder, "matsciml-model-two", requires=["matsciml<2", "zeta; extra == 'z'"])
    write_installed(folder, "gamma", "3")
    return folder


def names(name, source, target, extras=()):
    chosen, problems = needed(name, source, target, extras)
    return sorted(chosen), [problem.reason for problem in problems]


def test_the_family_is_what_requires_the_core(site):
    family = Packages([str(site)]).family()
    assert sorted(family) == ["matsciml", "matsciml-model-one", "matsciml-model-two"]


def test_versions(site):
    packages = Packages([str(site)])
    assert packages.versions()["alpha"] == "1.5"
    assert packages.exact("matsciml-model-one") == "matsciml-model-one==1.0"


def test_what_a_plugin_needs_comes_along(site):
    chosen, problems = names("matsciml-model-one", Packages([str(site)]), Packages([]))
    assert chosen == ["alpha", "beta", "gamma", "matsciml", "matsciml-model-one"]
    assert problems == []


def test_what_is_there_stays(site, tmp_path, write_installed):
    write_installed(tmp_path / "there", "alpha", "1.9")
    there = Packages([str(tmp_path / "there")])
    chosen, _ = names("matsciml", Packages([str(site)]), there)
    assert chosen == ["matsciml"]


def test_what_contradicts_is_said(site, tmp_path, write_installed):
    write_installed(tmp_path / "there", "gamma", "2")
    there = Packages([str(tmp_path / "there")])
    _, problems = names("matsciml-model-one", Packages([str(site)]), there)
    assert problems == ["needs gamma==3, and 2 is installed"]


def test_what_an_extra_requires(site):
    source = Packages([str(site)])
    assert names("matsciml-model-two", source, Packages([]))[1] == []
    _, problems = names("matsciml-model-two", source, Packages([]), ("z",))
    assert problems == ["needs zeta, which is not installed"]


def test_what_packages_lack_here_is_no_problem_there(tmp_path, write_installed):
    write_installed(tmp_path, "matsciml", requires=["alpha"])
    write_installed(tmp_path, "alpha", requires=["gone"])
    assert names("matsciml", Packages([str(tmp_path)]), Packages([])) == (["alpha", "matsciml"], [])


def test_without_a_list_of_files_it_stays_away(tmp_path, write_installed):
    write_installed(tmp_path, "matsciml", requires=["alpha"])
    write_installed(tmp_path, "alpha", record=False)
    _, problems = names("matsciml", Packages([str(tmp_path)]), Packages([]))
    assert problems == ["needs alpha, of which nobody wrote down the files"]


class TestLink:
    def test_files_have_a_second_name(self, site, tmp_path):
        link("alpha", Packages([str(site)]), tmp_path / "there")
        assert (tmp_path / "there" / "alpha.py").samefile(site / "alpha.py")
        assert Packages([str(tmp_path / "there")]).versions() == {"alpha": "1.5"}

    def test_what_was_cut_off_is_repeated(self, site, tmp_path):
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "alpha.py").write_text("half")
        link("alpha", Packages([str(site)]), tmp_path / "there")
        assert (tmp_path / "there" / "alpha.py").read_text() == "x = 1\n"
        assert (site / "alpha.py").read_text() == "x = 1\n"

    def test_nothing_leaves_the_folder(self, site, tmp_path):
        (tmp_path / "secret").write_text("s")
        with (site / "alpha-1.5.dist-info" / "RECORD").open("a") as record:
            record.write("../secret,,\n../../bin/alpha,,\n/etc/passwd,,\n")
        link("alpha", Packages([str(site)]), tmp_path / "there" / "site")
        found = {path.name for path in (tmp_path / "there").rglob("*") if path.is_file()}
        assert found == {"alpha.py", "METADATA", "WHEEL", "INSTALLER", "RECORD"}

    def test_on_another_disk_files_are_copied(self, site, tmp_path, monkeypatch):
        def fail(source, target):
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr("os.link", fail)
        link("alpha", Packages([str(site)]), tmp_path / "there")
        assert (tmp_path / "there" / "alpha.py").read_text() == "x = 1\n"
        assert not (tmp_path / "there" / "alpha.py").samefile(site / "alpha.py")

    def test_a_list_that_is_gone(self, tmp_path, write_installed):
        write_installed(tmp_path / "site", "alpha", record=False)
        with pytest.raises(ConfigError, match="'alpha' cannot be brought into"):
            link("alpha", Packages([str(tmp_path / "site")]), tmp_path / "there")


def test_what_was_not_installed_to_the_end_is_discarded(tmp_path, write_installed):
    write_installed(tmp_path, "whole")
    write_installed(tmp_path, "half", record=False)
    unpacked = write_installed(tmp_path, "unpacked") / "RECORD"
    unpacked.write_text("unpacked.py,,\n")  # as it is in the wheel
    removed = discard_unfinished(tmp_path)
    assert removed == ["half-1.0.dist-info", "unpacked-1.0.dist-info"]
    assert Packages([str(tmp_path)]).versions() == {"whole": "1.0"}


def test_a_package_whose_modules_have_gone_is_damaged(tmp_path, write_installed):
    write_installed(tmp_path, "whole", modules={"whole/__init__.py": "", "whole/a/b.py": ""})
    write_installed(tmp_path, "broken", modules={"broken/__init__.py": "", "one.py": ""})
    packages = Packages([str(tmp_path)])
    assert list(packages.damaged()) == []
    (tmp_path / "broken" / "__init__.py").unlink()
    assert list(packages.damaged()) == ["broken"]
