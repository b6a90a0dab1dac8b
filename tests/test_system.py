"""Ids and marks of the real system."""

from uuid import RFC_4122, UUID

import pytest

from devhook.core.clock import NewId
from devhook.system import is_alive, new_id, random_id, this_process


@pytest.mark.parametrize(("make", "version"), [(new_id, 7), (random_id, 4)])
def test_an_id_is_a_uuid_of_its_version(make: NewId, version: int) -> None:
    """Whatever the random bits are, and no two alike."""
    ids = [make() for _ in range(1000)]
    assert len({*ids}) == 1000
    assert {UUID(each).version for each in ids} == {version}
    assert {UUID(each).variant for each in ids} == {RFC_4122}
    assert [str(UUID(each)) for each in ids] == ids


def test_ids_sort_by_time() -> None:
    """To the millisecond."""
    first = new_id()
    while (later := new_id())[:13] == first[:13]:
        pass
    assert later > first


def test_a_process_knows_its_own_mark() -> None:
    """And that a mark of the same pid but another start is not its own."""
    mark = this_process()
    assert is_alive(mark)
    assert not is_alive(f"{mark}0")
    assert not is_alive("")
