"""A hub on loopback that huggingface_hub's own client talks to: models and data sets with revisions, and at will every kind
of failure.

It speaks what `hf download` asks of it: /api/models/NAME/revision/REV, /api/models/NAME/tree/COMMIT and HEAD and GET of
/NAME/resolve/REV/FILE, of data sets /api/datasets/... and /datasets/NAME/resolve/..., with the headers by which the client knows the hub (X-Repo-Commit, ETag, X-Linked-Size,
X-Error-Code), redirects of large files to another address, and ranges.
"""
import hashlib
import http.server
import json
import re
import threading
import time
import urllib.parse
from dataclasses import dataclass, field


@dataclass
class Faults:
    """What goes wrong from now on; clear() ends it."""

    status: int = 0  # of every answer
    error_code: str = ""  # X-Error-Code beside it
    only: str = ""  # requests whose path matches this regular expression; "": all
    cut_after: int = -1  # bytes of a file after which the connection is dropped
    lies: dict[str, int] = field(default_factory=dict)  # by where ("listing", "head", "body"): bytes more than there are
    wrong: bool = False  # files have other bytes than their hash says
    seconds_a_chunk: float = 0  # pause between the chunks of a file
    times: int = 1 << 30  # how many requests it hits
    page: bytes = b""  # answer to everything
    token: str = ""  # required: 401 without it

    def hits(self, path: str) -> bool:
        if self.times <= 0 or (self.only and re.search(self.only, path) is None):
            return False
        self.times -= 1
        return True


@dataclass
class Repository:
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # files of each commit
    revisions: dict[str, str] = field(default_factory=dict)  # branch or tag to commit
    listed: dict[str, dict[str, int]] = field(default_factory=dict)  # what a commit's listing claims beside its files


class Hub:
    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.faults = Faults()
        self.requests: list[str] = []
        hub = self

        class Handler(_Handler):
            def __init__(self, *arguments):
                self.hub = hub
                super().__init__(*arguments)

        # Large files come from another host, as the real hub's: a client may treat its own host's redirects in another way.
        self.servers = [_Server((host, 0), Handler) for host in ("127.0.0.1", "127.0.0.2")]
        self.url, self.content_url = (f"http://{server.server_address[0]}:{server.server_address[1]}" for server in self.servers)
        for server in self.servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def clear(self):
        self.repositories.clear()
        self.requests.clear()
        self.faults = Faults()

    def commit(self, name: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Puts `files` at the tip of `revision` of a model, or of a data set "datasets/org/name"; the commit's hash."""
        repository = self.repositories.setdefault(name, Repository())
        digest = hashlib.sha1(f"{name} {len(repository.commits)}".encode())
        for path, content in sorted(files.items()):
            digest.update(path.encode() + content)
        commit = digest.hexdigest()
        repository.commits[commit] = dict(files)
        repository.revisions[revision] = commit
        return commit


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


_LFS_FROM = 10_000  # larger files count as LFS: linked, and served from another address


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(False)

    def do_GET(self):
        self._answer(True)

    def _send(self, status: int, body: bytes = b"", with_body: bool = True, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _refuse(self, status: int, code: str, message: str, with_body: bool):
        headers = {"X_Error_Code": code, "X_Error_Message": message} if code else {}
        self._send(status, json.dumps({"error": message}).encode(), with_body, **headers)

    def _answer(self, with_body: bool):
        hub, path = self.hub, urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        try:
            self._route(path, with_body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, path: str, with_body: bool):
        faults = self.hub.faults
        if path == "/api/agent-harnesses":
            return self._send(200, b'{"standardEnvVars": [], "harnesses": {}}', with_body)
        if faults.token and not path.startswith("/cdn/") and self.headers.get("Authorization") != f"Bearer {faults.token}":
            return self._refuse(401, "GatedRepo" if faults.error_code == "GatedRepo" else "RepoNotFound",
                                "Access to this model is restricted.", with_body)
        if faults.page:
            return self._send(200, faults.page, with_body)
        if faults.status and faults.hits(path):
            return self._refuse(faults.status, faults.error_code, f"status {faults.status}", with_body)
        if found := re.fullmatch(r"/api/(?:models/)?((?:datasets/)?[^/]+/[^/]+)(?:/revision/(.+))?", path):
            return self._info(found[1], found[2] or "main", with_body)
        if found := re.fullmatch(r"/api/(?:models/)?((?:datasets/)?[^/]+/[^/]+)/tree/([^/]+)", path):
            return self._tree(found[1], found[2], with_body)
        if found := re.fullmatch(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([0-9a-f]{40}|.+?)/(.+)", path):
            return self._file(found[1], found[2], found[3], with_body, path)
        if found := re.fullmatch(r"/cdn/((?:datasets/)?[^/]+/[^/]+)/([0-9a-f]{40})/(.+)", path):
            return self._content(self.hub.repositories[found[1]].commits[found[2]][found[3]], path)
        return self._refuse(404, "", "no such page", with_body)

    def _repository(self, name: str, revision: str, with_body: bool):
        repository = self.hub.repositories.get(name)
        if repository is None:
            self._refuse(401, "RepoNotFound", "Repository not found", with_body)
            return None, ""
        commit = revision if revision in repository.commits else repository.revisions.get(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}", with_body)
            return None, ""
        return repository, commit

    def _info(self, name: str, revision: str, with_body: bool):
        repository, commit = self._repository(name, revision, with_body)
        if repository is not None:
            siblings = [{"rfilename": path} for path in repository.commits[commit]]
            self._send(200, json.dumps({"_id": "0", "id": name.removeprefix("datasets/"), "modelId": name, "sha": commit, "siblings": siblings,
                                        "private": False, "gated": False, "tags": [], "downloads": 0}).encode(), with_body)

    def _tree(self, name: str, revision: str, with_body: bool):
        repository, commit = self._repository(name, revision, with_body)
        if repository is None:
            return
        entries = []
        for path, content in repository.commits[commit].items():
            size = self._claimed(content, path, "listing")
            entry = {"type": "file", "path": path, "size": size, "oid": _git_hash(content)}
            if len(content) >= _LFS_FROM:
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 134}
            entries.append(entry)
        for path, size in repository.listed.get(commit, {}).items():
            entries.append({"type": "file", "path": path, "size": size, "oid": "0" * 40})
        self._send(200, json.dumps(entries).encode(), with_body)

    def _claimed(self, content: bytes, path: str, where: str) -> int:
        faults = self.hub.faults
        return len(content) + (faults.lies[where] if where in faults.lies and faults.hits(path) else 0)

    def _file(self, name: str, revision: str, file: str, with_body: bool, path: str):
        repository, commit = self._repository(name, revision, with_body)
        if repository is None:
            return
        content = repository.commits[commit].get(file)
        if content is None:
            size = repository.listed.get(commit, {}).get(file)
            if size is None:
                return self._refuse(404, "EntryNotFound", "Entry not found", with_body)
            content = bytes(min(size, 1000))
            return self._send(200, content, with_body, ETag='"00"', X_Repo_Commit=commit, X_Linked_Size=size)
        if len(content) < _LFS_FROM:
            return self._content(content, path, with_body, ETag=f'"{_git_hash(content)}"', X_Repo_Commit=commit)
        return self._send(302, b"", with_body, X_Repo_Commit=commit, X_Linked_Size=self._claimed(content, path, "head"),
                          X_Linked_Etag=f'"{hashlib.sha256(content).hexdigest()}"',
                          Location=f"{self.hub.content_url}/cdn/{name}/{commit}/{urllib.parse.quote(file)}")

    def _content(self, content: bytes, path: str, with_body: bool = True, **headers):
        faults = self.hub.faults
        begin = 0
        if found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            begin = int(found[1])
            headers["Content_Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        rest = content[begin:]
        if faults.wrong and faults.hits(path):
            rest = bytes(byte ^ 1 for byte in rest)
        headers["Content_Length"] = self._claimed(rest, path, "body")
        self.close_connection = self.close_connection or headers["Content_Length"] != len(rest)
        self._send(206 if begin else 200, rest, False, **headers)
        if not with_body:
            return None
        cut = faults.cut_after if faults.cut_after >= 0 and faults.hits(path) else -1
        for start in range(0, len(rest), 1 << 16):
            chunk = rest[start:start + (1 << 16)]
            if 0 <= cut < start + len(chunk):
                self.wfile.write(chunk[:max(0, cut - start)])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return None
            self.wfile.write(chunk)
            self.wfile.flush()
            time.sleep(faults.seconds_a_chunk)
        return None


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
