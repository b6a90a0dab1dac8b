"""Guardians with one part replaced. Standard library alone, as the real one.

They cannot say `override`: that would need a library.
"""
# mypy: disable-error-code=explicit-override

import json
from dataclasses import replace
from typing import Any, Final

from devhook.core.account_api import ApiAnswer, ApiRequest
from devhook.core.guarding import Order, Plan
from devhook.guardian import Guardian, Line, main
from devhook.guardian_api import Api

TWO: Final = ("webhook_method", "webhook_uri")


def with_two_fields(request: ApiRequest) -> ApiRequest:
    """As the quickstart's example has it."""
    if request.body is None:
        return request
    fields = json.loads(request.body)
    two = json.dumps({name: fields[name] for name in TWO}).encode()
    return replace(request, body=two)


class TwoFieldApi(Api):
    def _exchange(self, request: ApiRequest) -> ApiAnswer:
        return super()._exchange(with_two_fields(request))


class TwoFieldGuardian(Guardian):
    def __init__(self, plan: Plan, pipe: Line) -> None:
        super().__init__(plan, pipe)
        self._api = TwoFieldApi(plan)


class BusyGuardian(Guardian):
    """At work for a run that stood still: it keeps its own before it hears the run."""

    def _heed(self, message: dict[str, Any] | None) -> None:
        match message:
            case {"what": Order.KEEP} if self._record is not None:
                self._kept(self._record)
            case _:
                pass
        super()._heed(message)


def two_fields() -> None:
    main(TwoFieldGuardian)


def busy() -> None:
    main(BusyGuardian)
