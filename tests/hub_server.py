"""A small hub on 127.0.0.1: the part of the hub's API that a download uses, with the faults that networks have."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LFS_FROM = 20_000  # bytes; larger files are named by sha256, smaller ones by git's hash, as on the hub


class Hub(ThreadingHTTPServer):
    """`repos` maps `models/owner/name` or `datasets/owner/name` to {file: bytes}.

    breaks: {file: [bytes after which the connection closes, once for each number]}
    stalls: {file: bytes after which nothing comes until the client leaves}
    damaged: {file: other bytes of the same length that are sent instead}
    errors: {repo: (status, X-Error-Code)}
    claims: {file: size that the listing tells}
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos, self.breaks, self.stalls, self.damaged, self.errors, self.claims = {}, {}, {}, {}, {}, {}
        self.honours_range = True
        self.commit = COMMIT
        self.asked: list[tuple[str, str | None]] = []  # (file, Range header)
        self.requests: list[str] = []
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.closing.set()
        self.shutdown()
        self.server_close()

    def ranges(self, file: str) -> list[str | None]:
        """The Range header of each request for `file`."""
        return [asked for name, asked in self.asked if name == file]

    def handle_error(self, request, client_address):
        pass  # a client that was killed is what we are here for


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(path)
        listing = re.fullmatch(r"/api/((?:models|datasets)/.+?)(?:/revision/([^/]+))?", path)
        content = re.fullmatch(r"/(datasets/)?(.+?)/resolve/([^/]+)/(.+)", path)
        if listing:
            self._list(listing[1], listing[2])
        else:
            self._send(("datasets/" if content[1] else "models/") + content[2], content[4])

    def _list(self, repo: str, revision: str | None):
        hub: Hub = self.server
        status, code = hub.errors.get(repo, (200, "") if repo in hub.repos else (404, "RepoNotFound"))
        if status == 200 and revision not in (None, "main", COMMIT):
            status, code = 404, "RevisionNotFound"
        if status != 200:
            return self._reply(status, b"", {"X-Error-Code": code, "X-Error-Message": code})
        siblings = []
        for name, data in hub.repos[repo].items():
            size = hub.claims.get(name, len(data))
            git = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
            siblings.append({"rfilename": name, "size": size, "blobId": git})
            if len(data) >= LFS_FROM:
                sha256 = hashlib.sha256(data).hexdigest()
                siblings[-1]["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 130}
        name = repo.partition("/")[2]
        described = {"id": name, "sha": hub.commit, "private": False, "downloads": 0, "likes": 0, "tags": []}
        self._reply(200, json.dumps(described | {"siblings": siblings}).encode())

    def _send(self, repo: str, file: str):
        hub: Hub = self.server
        asked = self.headers.get("Range")
        hub.asked.append((file, asked))
        data = hub.damaged.get(file, hub.repos[repo][file])
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and hub.honours_range else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        pending = hub.breaks.get(file)
        end = start + pending.pop(0) if pending else hub.stalls.get(file, len(data))
        self.wfile.write(data[start:end])
        self.wfile.flush()
        if file in hub.stalls:
            hub.closing.wait()
        if end < len(data):
            self.close_connection = True

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
