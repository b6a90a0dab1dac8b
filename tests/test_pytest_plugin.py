"""The plugin in a user's own suite: offline, by real servers."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

_SERVER = """
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if b"hangup" in body and self.server.broken else 200)
        self.end_headers()
        self.wfile.write(b"noted")

    def log_message(self, *args):
        pass


@pytest.fixture
def hook():
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.broken = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(_SERVER)
    return pytester


def test_a_shipped_scenario_is_replayed_into_a_url(suite: pytest.Pytester) -> None:
    """Every event of it, signed, in order."""
    suite.makepyfile(
        """
        def test_call(devhook, hook):
            url = f"http://127.0.0.1:{hook.server_port}/hook"
            replay = devhook.replay("inbound-busy", to=url)
            replay.assert_ok()
            assert [a.event.type for a in replay.attempts][-1].startswith("activeflow")
            assert all(a.status == 200 and a.body == b"noted" for a in replay.attempts)
        """
    )
    suite.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_a_broken_handler_fails_with_event_and_answer(suite: pytest.Pytester) -> None:
    """The message is one a person can act on."""
    suite.makepyfile(
        """
        def test_call(devhook, hook):
            hook.broken = True
            url = f"http://127.0.0.1:{hook.server_port}/hook"
            devhook.replay("inbound-busy", to=url).assert_ok()
        """
    )
    result = suite.runpytest_subprocess("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*events were not handled*", "*call_hangup*", "*500*"])


def test_a_fixture_beside_the_test_is_found_first(suite: pytest.Pytester) -> None:
    """The user's own come before the shipped ones."""
    suite.makepyfile(
        """
        from pathlib import Path
        from devhook import shipped
        from devhook.core.fixture import dump

        def test_own(devhook, request):
            own = dump(shipped.event("message_created"))
            (Path(request.path).parent / "call_hangup.json").write_text(own)
            assert [e.type for e in devhook.load("call_hangup")] == ["message_created"]
            assert [e.type for e in devhook.load("call_created")] == ["call_created"]
        """
    )
    suite.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_sandbox_and_capture_make_a_whole_platform(suite: pytest.Pytester) -> None:
    """What the sandbox emits arrives at the capture, and can be waited for."""
    suite.makepyfile(
        """
        import pytest

        def test_event(devhook_sandbox, devhook_capture):
            devhook_sandbox.point(devhook_capture.url)
            assert devhook_sandbox.emit("call_hangup", hangup_reason="busy") == 200
            event = devhook_capture.wait_for(
                type="call_*", where="data.hangup_reason==busy"
            )
            assert event.request.method == "POST"
            assert len(devhook_capture.events) == 1

        def test_nothing_is_left_of_another_test(devhook_sandbox, devhook_capture):
            assert devhook_sandbox.customer.webhook_uri == ""
            with pytest.raises(AssertionError, match="no event call_hangup"):
                devhook_capture.wait_for(type="call_hangup", timeout=0.1)

        def test_failures_can_be_scripted(devhook_sandbox):
            import urllib.error, urllib.request
            devhook_sandbox.fail_next(status=503)
            with pytest.raises(urllib.error.HTTPError, match="503"):
                urllib.request.urlopen(devhook_sandbox.api_url + "/customer")
        """
    )
    suite.runpytest_subprocess("-q").assert_outcomes(passed=3)


def test_the_fixtures_serve_asynchronous_tests(suite: pytest.Pytester) -> None:
    """They are synchronous and live on a loop of their own."""
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_call(devhook, devhook_capture):
            replay = devhook.replay("sms-in", to=devhook_capture.url)
            replay.assert_ok()
            assert devhook_capture.wait_for(type="message_created")
        """
    )
    suite.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    """Every pytest run of the user pays for it."""
    script = (
        "import sys, pytest, devhook.pytest_plugin;"
        "heavy = {'aiohttp', 'sqlite3', 'devhook.session', 'devhook.store.store'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
