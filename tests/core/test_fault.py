"""Named points at which a process can be made to fail."""

import ast
from pathlib import Path
from typing import Final

import pytest

from devhook.core.fault import POINTS, Act, Fault, read_fault
from devhook.core.model import Stage
from devhook.errors import ConfigError

HOUSE: Final = Path(__file__).parent.parent.parent / "devhook"


@pytest.mark.parametrize("text", [None, ""])
def test_without_the_variable_nothing_happens(text: str | None) -> None:
    """As on every machine but a tester's."""
    assert read_fault(text) is None


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize("point", POINTS)
def test_every_point_takes_every_act(point: str, act: Act) -> None:
    """Each step can be met by each fault."""
    assert read_fault(f"{point}:{act}") == Fault(point, act)


@pytest.mark.parametrize(
    "text",
    ["up.ready", "up.ready:", "up.ready:melt", "up.elsewhere:kill", ":kill", "kill"],
)
def test_a_point_or_an_act_that_there_is_not_is_told(text: str) -> None:
    """A test with a typing error must not pass because nothing happened."""
    with pytest.raises(ConfigError, match="names no point or no act"):
        read_fault(text)


def test_no_point_is_named_twice() -> None:
    """And each names who, and at which step."""
    assert len(set(POINTS)) == len(POINTS)
    assert {point.partition(".")[0] for point in POINTS} == {
        "up",
        "guardian",
        "recovery",
    }


def test_the_stages_in_the_points_are_those_of_a_record() -> None:
    """`idle` is before the first of them."""
    stages = {point.split(".")[1] for point in POINTS if point.count(".") == 2}
    assert stages <= {"idle", *Stage}


def test_every_milestone_is_one_that_the_code_passes() -> None:
    """What the code names in one piece is a point, or its fault could never be met."""
    named = {
        node.args[0].value
        for path in HOUSE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "system.fault"
        and isinstance(node.args[0], ast.Constant)
    }
    assert named <= set(POINTS)
    assert len(named) > 3
