"""Collects what each case of the matrix showed; `make faults` prints the table."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.matrix.elsewhere import ELSEWHERE

_SEEN: Final = "seen"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix", action="store_true", help="Print the table of faults.")


@pytest.fixture
def seen(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[str], None]:
    """Say what a case showed, for the table; a case that fails has said nothing."""
    mark = request.node.get_closest_marker("case")
    assert mark is not None, "a test of the matrix names its case"
    number, what, expected = mark.args
    record_property("case", [number, what, expected])
    return lambda text: record_property(_SEEN, text)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("--matrix", default=False):
        return
    rows = sorted([*_rows(terminalreporter), *ELSEWHERE])
    terminalreporter.section("faults")
    wide = max(len(what) for _, what, _, _ in rows)
    for number, what, expected, shown in rows:
        terminalreporter.write_line(
            f"{number:>4}  {what:<{wide}}  {expected:<34}  {shown}"
        )


def _rows(terminalreporter: Any) -> Iterator[tuple[int, str, str, str]]:
    reports = [
        r for key in ("passed", "failed") for r in terminalreporter.getreports(key)
    ]
    for report in reports:
        said = dict(report.user_properties)
        if report.when == "call" and "case" in said:
            number, what, expected = said["case"]
            shown = "FAILED" if report.failed else str(said.get(_SEEN, "as expected"))
            yield number, what, expected, shown
