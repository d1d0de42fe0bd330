"""docs/macros.md and docs/support.md are what `make docs` writes."""

from __future__ import annotations

import pytest
from generate import PAGES
from macro_index import public_macros, split_arguments


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_page_is_current(page) -> None:
    assert page.path.read_text() == page.text(), f"{page.path.name} is out of date: run `make docs`"


def test_every_public_macro_is_listed() -> None:
    for page in PAGES:
        missing = [macro.name for macro in public_macros() if f"`{macro.name}" not in page.text()]
        assert not missing, f"{page.path.name} does not list {missing}"


def test_signatures_are_read_whole() -> None:
    text = "relation, ids=[1, 2], mark=',', where=none, options={'a': (1, 2)}"
    assert split_arguments(text) == {
        "relation": None, "ids": "[1, 2]", "mark": "','", "where": "none", "options": "{'a': (1, 2)}",
    }
    assert split_arguments("") == {}
