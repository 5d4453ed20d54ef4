#!/usr/bin/env python3
"""The explorer under load: requests a second, errors, latency and memory.

usage: bench/explorer.py PROGRAM RUN PICTURE [--clients 100] [--seconds 60]

Starts `PROGRAM serve RUN`, asks alone for 200 predictions, guided maps and clicks on units, then by many clients at once on
loopback, each with a connection of its own, for maps of the picture from changing classes. Prints Markdown. The clients share the
machine with the explorer.
"""

import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import threading
import time


class Client:
    """A connection to the explorer."""

    def __init__(self, port, run):
        self.port, self.run = port, run
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def post(self, query, body=b""):
        """The answer's document; an exception where it is an error."""
        self.connection.request("POST", f"/api/runs/{self.run}/{query}", body)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {text[:200]}")
        return json.loads(text)


def resident(process):
    """The process's memory in MiB."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def latencies(client, query, count=200):
    """Median and 95th percentile in milliseconds of asking `count` times; `query` makes the nth query."""
    client.post(query(0))
    times = []
    for index in range(count):
        begun = time.perf_counter()
        client.post(query(index))
        times.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def load(port, run, picture, classes, clients, seconds):
    """Requests done and errors of many clients."""
    done, errors, lock = 0, [], threading.Lock()
    end = time.monotonic() + seconds

    def work(number):
        nonlocal done
        client, mine = Client(port, run), 0
        try:
            while time.monotonic() < end:
                client.post(f"explain?picture={picture}&unit={(number + mine) % classes}")
                mine += 1
        except Exception as error:
            errors.append(repr(error))
        with lock:
            done += mine

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done, errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("run")
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    command = [arguments.program, "serve", arguments.run, "--port", "0", "--no-open", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        text = ""
        while not text.rstrip().endswith("}"):
            text += process.stdout.readline()
        port = int(json.loads(text)["address"].rstrip("/").rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/api/runs")
        run = json.loads(connection.getresponse().read())["single"]
        connection.request("GET", f"/api/runs/{run}")
        details = json.loads(connection.getresponse().read())
        client = Client(port, run)
        picture = client.post("predict", arguments.picture.read_bytes())["picture"]
        middle = details["layers"][len(details["layers"]) // 2]
        places = middle["height"] * middle["width"]
        queries = {
            "predict": lambda index: f"predict?picture={picture}",
            "explain (guided)": lambda index: f"explain?picture={picture}&unit={index % len(details['classes'])}",
            f"a unit of {middle['name']}": lambda index: f"explain?picture={picture}&layer={middle['name']}"
            f"&unit={index % middle['channels']}&row={index % places // middle['width']}&column={index % middle['width']}",
        }
        size = f"{details['input']['height']}x{details['input']['width']}"
        print(f"| {details['model']}, {size}, alone | median ms | 95th percentile ms |\n|---|---|---|")
        for name, query in queries.items():
            median, high = latencies(client, query)
            print(f"| {name} | {median:.1f} | {high:.1f} |")
        before = resident(process)
        done, errors = load(port, run, picture, len(details["classes"]), arguments.clients, arguments.seconds)
        after = resident(process)
        print(f"\n{arguments.clients} clients for {arguments.seconds:.0f} s: {done / arguments.seconds:.0f} maps/s, "
              f"{len(errors)} errors, memory {before:.0f} MiB before and {after:.0f} MiB after")
        for error in errors[:3]:
            print(error)
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
