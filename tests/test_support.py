"""What tests share lies in tests/support."""

import ast

from tests.support.paths import ROOT


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_test_imports_from_a_test_file():
    files = sorted((ROOT / "tests").rglob("*.py"))
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files
        if path.name.startswith("test_")
    }
    assert "tests.test_support" in modules
    assert [path for path in files if modules & set(imported_modules(path))] == []
