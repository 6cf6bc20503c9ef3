"""Hook specifications that tools bring: who may implement them, and what goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from matsciml_core.errors import DuplicateNameError, UnknownNameError
from matsciml_core.registry.manager import build_registry

HOOKS = """
    from __future__ import annotations

    from collections.abc import Iterable
    from dataclasses import dataclass
    from typing import ClassVar

    from matsciml_core import Spec, hookspec

    @dataclass(frozen=True, kw_only=True)
    class SectionSpec(Spec):
        '''A section of a page.'''

        kind: ClassVar[str] = "section"
        order: int = 0

    class Hooks:
        @hookspec
        def matsciml_sections(self) -> Iterable[SectionSpec]:
            '''Offer sections.'''
            raise NotImplementedError

        @hookspec
        def matsciml_after_page(self, page: str) -> str:
            '''Act after a page was written.'''
            raise NotImplementedError
"""
TOOL = """
    from matsciml_core import hookimpl

    @hookimpl
    def matsciml_hookspecs():
        return ["{package}.hooks:Hooks"]
"""
SECTION = """
    from matsciml_core import hookimpl

    @hookimpl{mark}
    def matsciml_sections():
        from TOOL.hooks import SectionSpec
        yield SectionSpec(name="{name}", summary="Mine.", class_path="mine.section:Section")
"""


def section(tool: str, name: str = "mine", mark: str = "(optionalhook=True)") -> str:
    """Return the source of a plugin that offers a section."""
    return SECTION.format(name=name, mark=mark).replace("TOOL", tool)


def add_tool(folder: Any, distribution: str = "matsciml-tool-pages", hooks: str = HOOKS) -> str:
    """Write a tool with hooks of its own, and return the name of its package."""
    return folder.add(distribution, TOOL, modules={"hooks": hooks})


def states(folder: Any) -> dict[str, str]:
    return {one.entry_point: one.state for one in build_registry(path=folder.search).plugins}


def reason(folder: Any, hooks: str = HOOKS, source: str = TOOL) -> str:
    """Return why a tool is not used."""
    folder.add("matsciml-tool-pages", source, modules={"hooks": hooks})
    (record,) = build_registry(path=folder.search).plugins
    assert record.state == "failed"
    assert "\n" not in record.sentence()
    return record.reason


class TestRecords:
    # The entry points are scanned by name: ``a`` before the tool ``pages``, ``z`` behind it.
    @pytest.mark.parametrize("entry_point", ["a", "z"])
    def test_are_collected_whatever_the_order(self, plugin_folder: Any, entry_point: str) -> None:
        tool = add_tool(plugin_folder)
        plugin_folder.add("p", section(tool), entry_point=entry_point)
        registry = build_registry(path=plugin_folder.search)
        assert registry.kinds[-1] == "section"
        assert registry.get("section", "mine").order == 0  # type: ignore[attr-defined]
        assert [spec.name for spec in registry.specs("section")] == ["mine"]
        assert [(spec.kind, owner.entry_point) for spec, owner in registry.components()] == [
            ("section", entry_point)
        ]

    def test_need_no_mark_where_the_tool_is_required(self, plugin_folder: Any) -> None:
        tool = add_tool(plugin_folder)
        plugin_folder.add("p-mine", section(tool, mark=""))
        assert states(plugin_folder) == {"mine": "ok", "pages": "ok"}

    def test_of_one_name_are_duplicates(self, plugin_folder: Any) -> None:
        tool = add_tool(plugin_folder)
        for name in ("one", "two"):
            plugin_folder.add(f"p-{name}", section(tool))
        registry = build_registry(path=plugin_folder.search)
        assert len(registry.duplicates()) == 1
        with pytest.raises(DuplicateNameError, match="section 'mine' is offered by p-one"):
            registry.get("section", "mine")

    def test_twice_in_one_plugin_are_a_fault(self, plugin_folder: Any) -> None:
        tool = add_tool(plugin_folder)
        source = section(tool)
        repeated = source.rstrip() + "\n" + source.rstrip().rpartition("\n")[2] + "\n"
        plugin_folder.add("p-mine", repeated)
        record = build_registry(path=plugin_folder.search).plugins[0]
        assert record.reason == "offers the section 'mine' twice"

    def test_of_another_class_are_a_fault(self, plugin_folder: Any) -> None:
        add_tool(plugin_folder)
        plugin_folder.add(
            "p-mine",
            "from matsciml_core import EncoderSpec, hookimpl\n\n"
            "@hookimpl\ndef matsciml_sections():\n"
            "    yield EncoderSpec(name='x', summary='', class_path='a:B')\n",
        )
        record = build_registry(path=plugin_folder.search).plugins[0]
        assert record.reason == (
            "returns EncoderSpec from matsciml_sections, which must return or yield SectionSpec "
            "records"
        )

    def test_of_a_kind_without_records_there_are_none(self, plugin_folder: Any) -> None:
        add_tool(plugin_folder)
        registry = build_registry(path=plugin_folder.search)
        assert registry.specs("section") == []
        with pytest.raises(UnknownNameError, match=r"no section 'x'\..*Installed sections"):
            registry.get("section", "x")

    def test_have_no_kind_without_the_tool(self, plugin_folder: Any) -> None:
        with pytest.raises(UnknownNameError, match="no kind 'section'"):
            build_registry(path=plugin_folder.search).specs("section")


class TestImplementations:
    def test_an_optional_one_is_noted_where_the_tool_is_missing(self, plugin_folder: Any) -> None:
        plugin_folder.add("p-mine", section("no_such_tool"))
        (record,) = build_registry(path=plugin_folder.search).plugins
        assert (record.state, record.specs) == ("ok", ())
        assert record.unused_hooks == ("matsciml_sections",)

    def test_another_is_a_fault_that_says_how_to_mark_it(self, plugin_folder: Any) -> None:
        plugin_folder.add("p-mine", section("no_such_tool", mark=""))
        (record,) = build_registry(path=plugin_folder.search).plugins
        assert record.state == "failed"
        assert "'matsciml_sections', which does not exist." in record.reason

    def test_nothing_is_unused_where_the_tool_is_installed(self, plugin_folder: Any) -> None:
        tool = add_tool(plugin_folder)
        plugin_folder.add("p-mine", section(tool))
        for record in build_registry(path=plugin_folder.search).plugins:
            assert record.unused_hooks == ()

    def test_a_blocked_tool_counts_as_missing(self, plugin_folder: Any) -> None:
        tool = add_tool(plugin_folder)
        plugin_folder.add("p-mine", section(tool))
        registry = build_registry(path=plugin_folder.search, only=["mine"])
        assert [record.state for record in registry.plugins] == ["ok", "blocked"]
        assert registry.plugins[0].unused_hooks == ("matsciml_sections",)

    def test_a_misspelt_one_is_a_fault_with_a_suggestion(self, plugin_folder: Any) -> None:
        tool = add_tool(plugin_folder)
        source = section(tool, mark="").replace("matsciml_sections", "matsciml_section")
        plugin_folder.add("p-mine", source)
        record = build_registry(path=plugin_folder.search).plugins[0]
        assert "Did you mean 'matsciml_sections'?" in record.sentence()

    def test_a_wrong_signature_is_a_fault(self, plugin_folder: Any) -> None:
        add_tool(plugin_folder)
        plugin_folder.add(
            "p-mine",
            "from matsciml_core import hookimpl\n\n"
            "@hookimpl\ndef matsciml_after_page(pages): ...\n",
        )
        record = build_registry(path=plugin_folder.search).plugins[0]
        assert "matsciml_after_page can take the arguments (page)" in record.reason

    def test_a_hook_that_offers_nothing_is_called_by_its_tool(self, plugin_folder: Any) -> None:
        add_tool(plugin_folder)
        plugin_folder.add(
            "p-mine",
            "from matsciml_core import hookimpl\n\n"
            "@hookimpl\ndef matsciml_after_page(page):\n    return f'saw {page}'\n",
        )
        registry = build_registry(path=plugin_folder.search)
        assert registry.hook.matsciml_after_page(page="index") == ["saw index"]
        assert "page" not in registry.kinds

    def test_a_tool_may_implement_its_own_hooks(self, plugin_folder: Any) -> None:
        own = section("{package}", mark="").partition("hookimpl\n")[2]
        plugin_folder.add("matsciml-tool-pages", TOOL + own, modules={"hooks": HOOKS})
        registry = build_registry(path=plugin_folder.search)
        assert registry.plugins[0].state == "ok", registry.plugins[0].reason
        assert [spec.name for spec in registry.specs("section")] == ["mine"]


class TestSpecifications:
    def test_are_named_in_the_tools_record(self, plugin_folder: Any) -> None:
        add_tool(plugin_folder)
        (record,) = build_registry(path=plugin_folder.search).plugins
        assert record.hookspecs == ("matsciml_after_page", "matsciml_sections")

    @pytest.mark.parametrize(
        "source",
        [
            pytest.param("return [__import__('{package}.hooks').hooks.Hooks]", id="class"),
            pytest.param("yield '{package}.module'", id="module"),
        ],
    )
    def test_come_as_a_class_or_in_a_module(self, plugin_folder: Any, source: str) -> None:
        plugin_folder.add(
            "matsciml-tool-pages",
            f"from matsciml_core import hookimpl\n\n@hookimpl\ndef matsciml_hookspecs():\n"
            f"    {source}\n",
            modules={
                "hooks": HOOKS,
                "module": "from matsciml_core import hookspec\n\n"
                "@hookspec\ndef matsciml_after_page(page): ...\n",
            },
        )
        (record,) = build_registry(path=plugin_folder.search).plugins
        assert "matsciml_after_page" in record.hookspecs

    def test_may_stand_in_the_plugin_module(self, plugin_folder: Any) -> None:
        plugin_folder.add(
            "matsciml-tool-pages",
            "from matsciml_core import hookimpl, hookspec\n\n"
            "@hookspec\ndef matsciml_after_page(page): ...\n\n"
            "@hookimpl\ndef matsciml_hookspecs():\n    return [__name__]\n",
        )
        (record,) = build_registry(path=plugin_folder.search).plugins
        assert (record.state, record.hookspecs) == ("ok", ("matsciml_after_page",)), record.reason

    def test_of_two_tools_do_not_mix(self, plugin_folder: Any) -> None:
        add_tool(plugin_folder)
        add_tool(plugin_folder, "matsciml-tool-twin")
        first, second = build_registry(path=plugin_folder.search).plugins
        assert (first.state, second.state) == ("ok", "failed")
        assert second.reason == "brings the hook 'matsciml_after_page', which exists already"

    def test_of_two_tools_may_not_share_a_kind(self, plugin_folder: Any) -> None:
        add_tool(plugin_folder)
        twin = HOOKS.replace("matsciml_sections", "matsciml_parts").replace("_after_", "_before_")
        add_tool(plugin_folder, "matsciml-tool-twin", twin)
        second = build_registry(path=plugin_folder.search).plugins[1]
        assert second.reason == (
            "brings the hook 'matsciml_parts' for the kind 'section', which the hook "
            "'matsciml_sections' offers"
        )

    def test_a_faulty_tool_leaves_the_hooks_of_others_alone(self, plugin_folder: Any) -> None:
        tool = add_tool(plugin_folder)
        add_tool(plugin_folder, "matsciml-tool-a", HOOKS.replace("-> Iterable", "-> Missing"))
        plugin_folder.add("p-mine", section(tool))
        assert states(plugin_folder) == {"a": "failed", "mine": "ok", "pages": "ok"}

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("matsciml_sections", "sections", "'sections', whose name must begin with 'matsciml_'"),
            ("matsciml_sections", "matsciml_encoders", "'matsciml_encoders', which exists already"),
            ('kind: ClassVar[str] = "section"', "", "SectionSpec, which must have a kind of its"),
            ('"section"', '"dataset"', "kind 'dataset', which the hook 'matsciml_datasets' offers"),
            ("Iterable[SectionSpec]", "Missing", "cannot be read raises NameError"),
            ("@hookspec", "", "did not find any 'matsciml' hooks"),
            ("class Hooks:", "class Other:", "has no attribute 'Hooks'"),
            ("class Hooks:", "1 / 0\n    class Hooks:", "division by zero"),
        ],
    )
    def test_that_are_faulty_are_a_fault_of_the_tool(
        self, plugin_folder: Any, old: str, new: str, message: str
    ) -> None:
        assert message in reason(plugin_folder, HOOKS.replace(old, new))

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("return 'a.b:C'", "returns one str from matsciml_hookspecs; return a list"),
            ("return None", "returns one NoneType from"),
            ("return [3]", "returns int from matsciml_hookspecs, which must return or yield"),
            ("return ['no_such_package_anywhere.hooks:Hooks']", "no_such_package_anywhere"),
            ("raise ValueError('no luck')", "matsciml_hookspecs raises ValueError"),
        ],
    )
    def test_that_are_not_returned_are_a_fault_of_the_tool(
        self, plugin_folder: Any, body: str, message: str
    ) -> None:
        source = TOOL.replace('return ["{package}.hooks:Hooks"]', body)
        assert message in reason(plugin_folder, source=source)
