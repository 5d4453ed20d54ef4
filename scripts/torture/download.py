"""Downloads from a server that cuts connections, stalls, and sends what it should not."""

import hashlib
import os
import socket
import threading
import time
from pathlib import Path

from program import Broken

FILE = "cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
# What stands in for the file where it is not to be had: then nothing may ever lie under the name.
STAND_IN = 3_000_000


def official():
    """The official archive, where the data folder has it."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = os.environ.get("ALLCNN_DATA") or Path(cache) / "allcnn"
    file = Path(folder) / FILE
    return file.read_bytes() if file.is_file() else None


class Server:
    """Answers each connection as its dice say, while `is_bad`."""

    KINDS = ["cut", "cut", "stall", "garbage", "mixed", "elsewhere", "status", "noise", "whole", "ignore"]

    def __init__(self, dice, content):
        self.dice, self.content, self.is_bad = dice, content, True
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def close(self):
        self.socket.close()

    def answer(self, connection):
        with connection:
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    more = connection.recv(4096)
                    if not more:
                        return
                    request += more
                self.reply(connection, request.decode("latin-1").lower())
            except OSError:
                pass  # the program was killed

    def reply(self, connection, request):
        start = int(request.split("range: bytes=")[1].split("-")[0]) if "range: bytes=" in request else 0
        total, dice = len(self.content), self.dice
        kind = dice.choice(self.KINDS) if self.is_bad else "whole"
        if kind == "noise":
            connection.sendall(dice.randbytes(dice.randint(0, 2000)))
            return
        if kind == "status":
            status = dice.choice(["500 No", "503 Later", "404 None", "403 No"])
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        if kind == "ignore":
            start = 0
        if start >= total:
            connection.sendall(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        told = dice.randrange(total) if kind == "elsewhere" else start
        part = f"206 Partial\r\nContent-Range: bytes {told}-{total - 1}/{total}"
        head = f"HTTP/1.1 {part if start else '200 OK'}\r\n"
        connection.sendall(f"{head}Content-Length: {total - start}\r\nConnection: close\r\n\r\n".encode())
        body = self.content[start:]
        end = dice.randrange(len(body) + 1)
        if kind == "garbage":
            body = dice.randbytes(len(body))
        elif kind == "mixed":
            body = body[:end] + dice.randbytes(len(body) - end)
        elif kind in ("cut", "stall"):
            body = body[:end]
        for begin in range(0, len(body), 1 << 16):
            connection.sendall(body[begin : begin + (1 << 16)])
            if dice.random() < 0.1:
                time.sleep(0.01)
        if kind == "stall":
            time.sleep(2)


class Download:
    """One round."""

    def __init__(self, scene):
        self.scene, self.dice = scene, scene.dice
        found = official()
        self.content = found or self.dice.randbytes(STAND_IN)
        self.is_official = found is not None
        self.folder = scene.folder / "data"
        self.server = Server(self.dice, self.content)

    def play(self):
        try:
            for _ in range(self.dice.randint(2, 6)):
                fetching = [self.begin() for _ in range(self.dice.choice([1, 1, 2, 3]))]
                if self.dice.random() < 0.7:
                    time.sleep(self.dice.random() ** 2 * 2)
                    for process in fetching:
                        process.kill()
                        self.look()
                for process in fetching:
                    self.look()
                    process.expect("done", "failed", "killed")
                self.look()
            self.finish()
        finally:
            self.scene.end_all()
            self.server.close()

    def begin(self):
        arguments = ["data", "fetch", "cifar10", "--to", "data"]
        return self.scene.start(*arguments, ALLCNN_DATA_URL=self.server.url)

    def look(self):
        """The right file, or none."""
        file = self.folder / FILE
        if file.exists() and hashlib.md5(file.read_bytes()).hexdigest() != MD5:
            raise Broken(f"{file} is not the official file")
        return file.exists()

    def finish(self):
        """Once the server is well, the first or second try gets the file: what came before may be garbage."""
        self.server.is_bad = False
        for _ in range(2):
            self.begin().expect("done", "failed")
        if self.look() != self.is_official:
            raise Broken("the file is there" if not self.is_official else "the file is not there")
        left = sorted(path.name for path in self.folder.iterdir())
        if left not in ([], [FILE]):
            raise Broken(f"left in the folder: {left}")
