"""A web server for one page on one machine: the page itself, and the answers of functions."""

import errno
import json
import os
import secrets
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from im2mesh.errors import UserError, explain_system_error
from im2mesh.visualization.viewer.question import PIECE, Question, Route, Sent

MOST_BYTES = 2**29
"""Of one file that is dropped into the page."""
MOST_IGNORED = 2**31
"""Of what is too large, so many bytes are read and forgotten, since a browser that is cut off while
it sends does not hear why."""
PATIENCE = 60
"""Seconds that a browser may let pass between two pieces of what it sends or receives."""
LOCAL = ("localhost", "127.0.0.1", "::1")
"""Names of this machine, by which its own browser asks."""


class LiveServer(ThreadingHTTPServer):
    """Serves a page at / and each route at its own address, to several browsers at once.

    Whoever asks must know the token of the address that is printed: not everybody who can reach the
    port may ask, such as other users of the machine. A web site of somebody else that is open in
    the same browser would also name itself as the origin, or the server by another name.

    Args:
        page: HTML of the page, which has the token in its address.
        routes: Method and address, such as "GET /items" -> what answers it. What changes something
            should be POST, which no link and no picture of another page can be.
        host: Name or address at which the server listens.
        port: Number of the port; 0 for one that is free.

    Raises:
        UserError: If it cannot listen there.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would share a port that is in use

    def __init__(self, page: str, routes: Mapping[str, Route], host: str, port: int) -> None:
        self.page = page.encode()
        self.routes = dict(routes)
        self.host = host
        self.token = secrets.token_urlsafe(16)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UserError(_explain(error, host, port)) from error

    @property
    def origin(self) -> str:
        """How a browser on this machine names the server."""
        host = "localhost" if self.host in ("", "0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page."""
        return f"{self.origin}/?token={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def may_ask(self, headers: Message, token: str, path: str) -> bool:
        """Whether to answer, given the headers that say who is asked, and from which page."""
        host = headers.get("Host", "")
        is_local = self.host in LOCAL
        is_link = path == "/"  # which may stand anywhere
        return (
            secrets.compare_digest(token.encode(), self.token.encode())
            and (not is_local or _name_of(host) in LOCAL)
            and headers.get("Origin", f"http://{host}") == f"http://{host}"
            and (is_link or headers.get("Sec-Fetch-Site", "same-origin") == "same-origin")
        )


def _name_of(host: str) -> str:
    parts = _split(f"//{host}")
    return "" if parts is None else parts.hostname or ""


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None for what is none, such as half of an IPv6 address."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _explain(error: Exception, host: str, port: int) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use; end the program that uses it, or choose another "
            "with --port (0 takes one that is free)"
        )
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be used by this user; choose one from 1024 on with --port"
    if isinstance(error, OverflowError):
        return f"--port is {port}; it must be from 0 to 65535"
    return f"cannot listen at --host {host} ({error}); use 127.0.0.1, or 0.0.0.0 for all networks"


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        self._answer(self.headers.get("Content-Length", "0"))

    def do_POST(self) -> None:
        self._answer(self.headers.get("Content-Length", ""))

    def _answer(self, length: str) -> None:
        parts = _split(self.path)
        values = {} if parts is None else dict(parse_qsl(parts.query))
        path = "" if parts is None else parts.path
        if not self.server.may_ask(self.headers, values.get("token", ""), path):
            return self._refuse(403, "open the address that the viewer has printed, to the end")
        if not length.isdecimal():
            return self._refuse(411, "the length of what is sent must be told before")
        sent = Sent(self.rfile, int(length))
        try:
            answer = self._find(f"{self.command} {path}", Question(values, sent))
            for _ in sent.pieces():
                pass  # else the next question would begin with it
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return None
        return self._send(*answer)

    def _find(self, route: str, question: Question) -> tuple[int, bytes, str]:
        """Status, content and kind of an answer."""
        if question.sent.left > MOST_BYTES:
            return self._too_large(question.sent)
        if route == "GET /":
            return 200, self.server.page, "text/html; charset=utf-8"
        if route not in self.server.routes:
            return _error(404, f"there is no {route}")
        return _ask(self.server.routes[route], question)

    def _too_large(self, sent: Sent) -> tuple[int, bytes, str]:
        if sent.left > MOST_IGNORED:
            self.close_connection, sent.left = True, 0
        return _error(413, f"a file may have at most {MOST_BYTES >> 20} MB; give its path instead")

    def _refuse(self, status: int, text: str) -> None:
        """Refuse somebody, without reading what else is sent."""
        self.close_connection = True
        self._send(*_error(status, text))

    def _send(self, status: int, content: bytes, kind: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")  # the address has the token
            self.end_headers()
            for piece in _pieces(content):  # each of which may take as long as `PATIENCE`
                self.wfile.write(piece)
        except (ConnectionError, TimeoutError):  # the page was closed
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each question."""


def _ask(route: Route, question: Question) -> tuple[int, bytes, str]:
    """Status, content and kind of an answer; a refusal and a defect are answers, too."""
    try:
        answer = route(question)
    except UserError as error:
        return _error(400, str(error))
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:  # such as a full disk
        explained = explain_system_error(error)
        if explained is not None:
            return _error(400, explained)
        return _defect(error)
    except Exception as error:
        return _defect(error)
    if isinstance(answer, bytes):
        return 200, answer, "application/octet-stream"
    return 200, _json(answer), "application/json"


def _defect(error: Exception) -> tuple[int, bytes, str]:
    """One question that fails must not end the program."""
    traceback.print_exc(file=sys.stderr)
    return _error(500, f"a defect of this program, whose terminal says more: {error}")


def _error(status: int, text: str) -> tuple[int, bytes, str]:
    return status, _json({"error": text}), "application/json"


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _pieces(content: bytes) -> Iterator[bytes]:
    return (content[k : k + PIECE] for k in range(0, len(content), PIECE))
