"""What a long measurement has finished, kept in a file, so that the same command goes on where it was stopped."""

import json
import os
import threading


class Kept:
    """The finished results by name, in a file that is whole at any time. Threads may add to it."""

    def __init__(self, path):
        self.path, self.lock = path, threading.Lock()
        self.done = json.loads(path.read_text()) if path.exists() else {}

    def add(self, name, result):
        with self.lock:
            self.done[name] = result
            unfinished = self.path.with_suffix(".tmp")
            unfinished.write_text(json.dumps(self.done, indent=1) + "\n")
            os.replace(unfinished, self.path)
            print(name, json.dumps(result)[:200], flush=True)
