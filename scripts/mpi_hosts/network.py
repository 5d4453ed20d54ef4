"""Hosts of one machine: network namespaces with names of their own, joined by a switch in this process."""

import fcntl
import heapq
import os
import random
import selectors
import struct
import subprocess
import threading
import time
from pathlib import Path

TUNSETIFF, TAP, NO_PACKET_INFORMATION = 0x400454CA, 0x0002, 0x1000
MTU = 9000
BROADCAST = b"\xff" * 6


def run(*command):
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


class Switch(threading.Thread):
    """Ethernet between the hosts: each frame arrives after `delay` seconds, or with the probability `loss` never."""

    def __init__(self, ports):
        super().__init__(daemon=True)
        self.ports = ports  # a TAP device each, as a file
        self.delay, self.loss, self.cut, self.closed = 0.0, 0.0, set(), False
        self.random = random.Random(1)

    def run(self):
        looking = selectors.DefaultSelector()
        for port in self.ports:
            looking.register(port, selectors.EVENT_READ)
        places, waiting, number = {}, [], 0
        while not self.closed:
            timeout = max(waiting[0][0] - time.monotonic(), 0) if waiting else 0.05
            for key, _ in looking.select(min(timeout, 0.05)):
                port = key.fd
                try:
                    frame = os.read(port, MTU + 64)
                except OSError:
                    continue
                places[frame[6:12]] = port
                known = places.get(frame[:6]) if frame[:6] != BROADCAST else None
                for to in [known] if known is not None else [other for other in self.ports if other != port]:
                    if not ({port, to} & self.cut) and self.random.random() >= self.loss:
                        number += 1
                        heapq.heappush(waiting, (time.monotonic() + self.delay, number, to, frame))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, to, frame = heapq.heappop(waiting)
                try:
                    os.write(to, frame)
                except OSError:
                    pass  # the host is going away


class Hosts:
    """So many hosts, h0 and on, at 10.77.0.1 and on."""

    def __init__(self, count, folder):
        self.names = [f"h{number}" for number in range(count)]
        ports = []
        for number, name in enumerate(self.names):
            device = f"tap-{name}"
            port = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(port, TUNSETIFF, struct.pack("16sH", device.encode(), TAP | NO_PACKET_INFORMATION))
            run("ip", "netns", "add", name)
            run("ip", "link", "set", device, "netns", name)
            inside = ["ip", "netns", "exec", name, "ip"]
            run(*inside, "link", "set", device, "mtu", MTU)
            run(*inside, "addr", "add", f"10.77.0.{number + 1}/24", "dev", device)
            run(*inside, "link", "set", device, "up")
            run(*inside, "link", "set", "lo", "up")
            etc = Path("/etc/netns") / name
            etc.mkdir(parents=True, exist_ok=True)
            lines = [f"10.77.0.{other + 1} {host}\n" for other, host in enumerate(self.names)]
            (etc / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))
            ports.append(port)
        self.agent = Path(folder) / "agent"
        self.agent.write_text('#!/bin/sh\nhost=$1\nshift\nexec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"\n')
        self.agent.chmod(0o755)
        self.switch = Switch(ports)
        self.switch.start()

    def close(self):
        self.switch.closed = True
        self.switch.join()
        for port in self.switch.ports:
            os.close(port)
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
            (Path("/etc/netns") / name / "hosts").unlink(missing_ok=True)

    def cut(self, name):
        """Nothing comes from this host or reaches it any more."""
        self.switch.cut = {self.switch.ports[self.names.index(name)]}

    def mend(self):
        self.switch.cut = set()
        self.switch.delay = self.switch.loss = 0.0

    def mpirun(self, processes, command, **environment):
        """Starts a process on each of the first hosts, as `mpirun` on h0 does by an agent in the place of ssh."""
        hosts = ",".join(f"{name}:1" for name in self.names[:processes])
        options = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--host", hosts]
        options += ["--mca", "plm_rsh_agent", self.agent, "--mca", "btl", "tcp,self"]
        # mpirun itself looks for a lost host only every eight minutes otherwise.
        for name, value in [("time", 10), ("intvl", 5), ("probes", 3)]:
            options += ["--mca", f"oob_tcp_keepalive_{name}", value]
        for name, value in environment.items():
            options += ["-x", f"{name}={value}"]
        words = " ".join(f"'{word}'" for word in ["mpirun.openmpi", "-n", processes, *options, *command])
        return subprocess.Popen([self.agent, "h0", f"exec {words}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
