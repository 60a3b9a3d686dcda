"""A web server on this machine's own address, which can be told to misbehave."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STATUS = {"error": 500, "forbidden": 403}


class Server:
    """Serves a folder.

    Attributes:
        url: Its address.
        asked: Path -> how often it was asked for.
        faults: What goes wrong with the next answers about faulty files, one each: "error" 500,
            "forbidden" 403, "cut" half of the content, "stall" half of it and then nothing,
            "other" content.
        faulty: How the names of faulty files end; those of packed clips unless told otherwise.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: Counter[str] = Counter()
        self.faults: list[str] = []
        self.faulty = ".npz"
        self.stall_seconds = 5.0


class _Handler(SimpleHTTPRequestHandler):
    state: Server

    def do_GET(self) -> None:
        self.state.asked[self.path] += 1
        is_faulty = self.path.endswith(self.state.faulty)
        fault = self.state.faults.pop(0) if is_faulty and self.state.faults else None
        if fault is None:
            super().do_GET()
        elif fault in STATUS:
            self.send_error(STATUS[fault])
        else:
            self._answer_badly(fault)

    def _answer_badly(self, fault: str) -> None:
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault == "other":
            self.wfile.write(b"\0" * len(content))
            return
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        if fault == "stall":
            time.sleep(self.state.stall_seconds)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        server.daemon_threads = True
        handler.state = state = Server(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
