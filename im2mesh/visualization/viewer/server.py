"""A web server for one page on one machine: the page itself, and the answers of functions."""

import errno
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from im2mesh.errors import UserError

MOST_BYTES = 2**29
"""Of one file that is dropped into the page."""
LOCAL = ("localhost", "127.0.0.1", "::1")
"""Names of this machine, by which its own browser asks."""


@dataclass(frozen=True)
class Question:
    """What the page asks.

    Attributes:
        values: Names and values behind the address.
        body: Content that was sent with it, such as a file.
    """

    values: Mapping[str, str]
    body: bytes = b""

    def text(self, name: str) -> str:
        """A value that must be there.

        Raises:
            UserError: If it is not.
        """
        if name not in self.values:
            raise UserError(f"the page asked without '{name}'; load it again")
        return self.values[name]

    def number(self, name: str) -> float:
        """A finite number that must be there.

        Raises:
            UserError: If it is not.
        """
        try:
            value = float(self.text(name))
        except ValueError:
            value = float("nan")  # refused below
        if not abs(value) < float("inf"):
            raise UserError(f"'{name}' is {self.text(name)[:40]!r}; it must be a number")
        return value


Answer = bytes | dict[str, Any] | list[Any]
"""Numbers as bytes, or what JSON can say."""
Route = Callable[[Question], Answer]


class LiveServer(ThreadingHTTPServer):
    """Serves a page at / and each route at its own address, to several browsers at once.

    A web site of somebody else that is open in the same browser gets nothing: it would name itself
    as the origin, or the server by another name.

    Args:
        page: HTML of the page.
        routes: Address, such as "/items" -> what answers it.
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
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UserError(_explain(error, host, port)) from error

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page."""
        host = "localhost" if self.host in ("", "0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def may_ask(self, host: str, origin: str | None) -> bool:
        """Whether to answer, given the headers that say who is asked, and from which page."""
        name = urlsplit(f"//{host}").hostname or ""
        is_local = self.host in LOCAL
        return (not is_local or name in LOCAL) and origin in (None, f"http://{host}")


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

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True
            most = f"a file may have at most {MOST_BYTES >> 20} MB here; give its path instead"
            return self._send(413, _json({"error": most}))
        return self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        if not self.server.may_ask(self.headers.get("Host", ""), self.headers.get("Origin")):
            return self._send(403, _json({"error": "asked from another page"}))
        if parts.path == "/":
            return self._send(200, self.server.page, "text/html; charset=utf-8")
        route = self.server.routes.get(parts.path)
        if route is None:
            return self._send(404, _json({"error": f"there is no {parts.path}"}))
        return self._send(*_ask(route, Question(dict(parse_qsl(parts.query)), body)))

    def _send(self, status: int, content: bytes, kind: str = "application/json") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:  # the page was closed
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each question."""


def _ask(route: Route, question: Question) -> tuple[int, bytes, str]:
    """Status, content and kind of an answer; a refusal and a defect are answers, too."""
    try:
        answer = route(question)
    except UserError as error:
        return 400, _json({"error": str(error)}), "application/json"
    except Exception as error:  # one question that fails must not end the program
        traceback.print_exc(file=sys.stderr)
        text = f"a defect of this program, whose terminal says more: {error}"
        return 500, _json({"error": text}), "application/json"
    if isinstance(answer, bytes):
        return 200, answer, "application/octet-stream"
    return 200, _json(answer), "application/json"


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
