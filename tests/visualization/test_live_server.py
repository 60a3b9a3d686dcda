"""The server of the live viewer answers its own page, and no other."""

import http.client
import io
import json
import socket
import threading
from urllib.parse import quote

import pytest

from im2mesh.errors import UserError
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.viewer import server as server_module
from im2mesh.visualization.viewer.page import live_page
from im2mesh.visualization.viewer.question import Question, Sent
from im2mesh.visualization.viewer.server import LiveServer


def refuse(question):
    raise UserError("not so")


def fail(question):
    raise KeyError("broken")


def twice(question):
    body = b"".join(question.sent.pieces()).decode()
    return {"twice": 2 * question.number("x"), "body": body}


ROUTES = {
    "GET /twice": twice,
    "POST /twice": twice,
    "GET /bytes": lambda question: b"\x01\x02",
    "GET /refuse": refuse,
    "POST /refuse": refuse,
    "GET /fail": fail,
    "POST /change": lambda question: {},
}


@pytest.fixture
def server():
    with LiveServer("<p>page</p>", ROUTES, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(
    server,
    path: str,
    method: str = "GET",
    body: str | None = None,
    token: str | None = None,
    **headers: str,
):
    """Status and content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    told = f"token={server.token if token is None else token}"
    address = f"{path}{'&' if '?' in path else '?'}{told}"
    connection.request(method, address, body, {k.replace("_", "-"): v for k, v in headers.items()})
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
        ("/absent", 404, "there is no GET /absent"),
        ("/change", 404, "there is no GET /change"),
    ):
        assert (found := ask(server, path))[0] == status
        assert json.loads(found[1]) == {"error": told}
    assert "KeyError: 'broken'" in capsys.readouterr().err
    assert ask(server, "/")[0] == 200


def test_pages_of_others_get_nothing(server):
    own = server.origin.removeprefix("http://")
    assert ask(server, "/twice?x=1", Origin=server.origin)[0] == 200
    for headers in (
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Host": "example.org"},  # a name that somebody else has made lead here
        {"Host": own, "Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "cross-site"},  # as of a picture, which says no origin
        {"Sec_Fetch_Site": "same-site"},  # another port of this machine
        {"Host": "[::1"},
    ):
        assert ask(server, "/twice?x=1", **headers)[0] == 403, headers
    assert ask(server, "/", Host="localhost:1234")[0] == 200  # forwarded by ssh -L


def test_whoever_does_not_know_the_token_gets_nothing(server):
    """Not the page, either: other users of the machine can reach the port."""
    for path in ("/", "/twice?x=1", "/absent"):
        for token in ("", "wrong", "\u00fc", server.token[:-1]):
            status, content = ask(server, path.replace("\u00fc", "%C3%BC"), token=quote(token))
            assert status == 403 and b"printed" in content
    assert server.url == f"{server.origin}/?token={server.token}"


def test_a_rebound_name_is_of_no_use_with_all_addresses():
    with LiveServer("<p>page</p>", ROUTES, "0.0.0.0", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        headers = {"Host": "example.org", "Origin": "http://example.org"}
        assert ask(server, "/twice?x=1", token="", **headers)[0] == 403
        server.shutdown()


def test_files_that_are_too_large_are_refused(server, monkeypatch):
    """All that is sent is read first: else a browser does not hear why."""
    monkeypatch.setattr(server_module, "MOST_BYTES", 10**7)
    assert ask(server, "/twice?x=1", "POST", 10 * "a")[0] == 200
    for path in ("/twice?x=1", "/refuse"):
        status, content = ask(server, path, "POST", (10**7 + 1) * "a")
        assert status == 413 and b"at most 9 MB" in content
    assert ask(server, "/refuse", "POST", 10**7 * "a")[0] == 400


def raw(server, text: str) -> bytes:
    """What is answered to a question that is sent as it is, and no further."""
    with socket.create_connection(server.server_address[:2], timeout=10) as connection:
        connection.sendall(text.encode())
        return connection.recv(1000)


def test_nothing_is_read_of_somebody_who_may_not_ask(server):
    """It is answered although not one byte of the body has come."""
    length = "Content-Length: 400000000"
    assert b" 403 " in raw(server, f"POST /twice HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n")


def test_a_length_must_be_told(server):
    address = f"/twice?x=1&token={server.token}"
    assert b" 411 " in raw(server, f"POST {address} HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_an_address_that_is_none_is_refused(server, capsys):
    assert b" 403 " in raw(server, "GET //[x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert capsys.readouterr().err == ""


def test_a_browser_that_sends_no_more_is_left(server, monkeypatch, capsys):
    assert server_module._Handler.timeout == server_module.PATIENCE
    monkeypatch.setattr(server_module._Handler, "timeout", 0.2)
    head = f"POST /twice?x=1&token={server.token} HTTP/1.1\r\nHost: localhost\r\n"
    assert raw(server, f"{head}Content-Length: 5\r\n\r\nab") == b""
    assert capsys.readouterr().err == ""


def test_of_a_file_that_breaks_off_nothing_is_left(tmp_path):
    question = Question({}, Sent(io.BytesIO(b"abc"), 5))
    with pytest.raises(ConnectionError):
        question.save(tmp_path / "a.xyz")
    assert not any(tmp_path.iterdir())


def test_a_host_that_is_none_of_this_machine_is_refused():
    with pytest.raises(UserError, match=r"cannot listen at --host 192\.0\.2\.1"):
        LiveServer("", {}, "192.0.2.1", 0)


def test_the_page_needs_nothing_from_elsewhere():
    page = live_page("a <title>", ErrorScale(0.1))
    assert "a &lt;title&gt;" in page and '"maximum":0.1' in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
