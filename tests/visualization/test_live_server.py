"""The server of the live viewer answers its own page, and no other."""

import http.client
import json
import threading

import pytest

from im2mesh.errors import UserError
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.viewer import server as server_module
from im2mesh.visualization.viewer.page import live_page
from im2mesh.visualization.viewer.server import LiveServer


def refuse(question):
    raise UserError("not so")


def fail(question):
    raise KeyError("broken")


ROUTES = {
    "/twice": lambda question: {"twice": 2 * question.number("x"), "body": question.body.decode()},
    "/bytes": lambda question: b"\x01\x02",
    "/refuse": refuse,
    "/fail": fail,
}


@pytest.fixture
def server():
    with LiveServer("<p>page</p>", ROUTES, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(server, path: str, method: str = "GET", body: str | None = None, **headers: str):
    """Status and content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_routes_get_values_and_content(server):
    assert ask(server, "/") == (200, b"<p>page</p>")
    status, content = ask(server, "/twice?x=1.5", "POST", "told")
    assert status == 200 and json.loads(content) == {"twice": 3.0, "body": "told"}
    assert ask(server, "/bytes") == (200, b"\x01\x02")


def test_what_goes_wrong_is_told_and_the_server_goes_on(server, capsys):
    for path, status, told in (
        ("/refuse", 400, "not so"),
        ("/twice?x=many", 400, "'x' is 'many'; it must be a number"),
        ("/twice?x=inf", 400, "'x' is 'inf'; it must be a number"),
        ("/twice", 400, "the page asked without 'x'; load it again"),
        ("/fail", 500, "a defect of this program, whose terminal says more: 'broken'"),
        ("/absent", 404, "there is no /absent"),
    ):
        assert (found := ask(server, path))[0] == status
        assert json.loads(found[1]) == {"error": told}
    assert "KeyError: 'broken'" in capsys.readouterr().err
    assert ask(server, "/")[0] == 200


def test_pages_of_others_get_nothing(server):
    own = server.url.removeprefix("http://")
    assert ask(server, "/twice?x=1", Origin=server.url)[0] == 200
    for headers in (
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Host": "example.org"},  # a name that somebody else has made lead here
        {"Host": own, "Origin": "http://localhost:1"},
    ):
        assert ask(server, "/twice?x=1", **headers)[0] == 403, headers
    assert ask(server, "/", Host="localhost:1234")[0] == 200  # forwarded by ssh -L


def test_files_that_are_too_large_are_refused(server, monkeypatch):
    monkeypatch.setattr(server_module, "MOST_BYTES", 10)
    assert ask(server, "/twice?x=1", "POST", 10 * "a")[0] == 200
    assert ask(server, "/twice?x=1", "POST", 11 * "a")[0] == 413


def test_a_host_that_is_none_of_this_machine_is_refused():
    with pytest.raises(UserError, match=r"cannot listen at --host 192\.0\.2\.1"):
        LiveServer("", {}, "192.0.2.1", 0)


def test_the_page_needs_nothing_from_elsewhere():
    page = live_page("a <title>", ErrorScale(0.1))
    assert "a &lt;title&gt;" in page and '"maximum":0.1' in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
