"""What is where in a lab that `flannel-lab up` built: read from its settings file."""

import contextlib
import ctypes
import hashlib
import json
import os
import socket
import subprocess

CLONE_NEWNET = 0x40000000  # linux/sched.h
NODES = (1, 2, 3)
PODS = (1, 2)

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(netns):
    """This thread in another network namespace; a socket belongs to the one it is opened in."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{netns}") as there:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns {namespace.name}: {os.strerror(error)}")


class Pod:
    """One pod: `n1p2` is the second of node n1."""

    def __init__(self, lab, node, number):
        self.name = f"n{node}p{number}"
        self.netns = f"{lab.prefix}-{self.name}"
        self.ip = f"10.244.{node}.{number + 1}"
        self.ip6 = f"fd00:10:244:{node}::{number + 1}" if lab.ipv6 else None
        self.mac = f"0a:58:0a:f4:0{node}:0{number + 1}"
        kind = "veth" if lab.variant == "flannel" else "cali"
        self.host_veth = f"{kind}0{node}{number}f1a4e1"


class Node:
    """One node: its underlay, its tunnel's end and its pods."""

    def __init__(self, lab, number):
        self.number = number
        self.name = f"n{number}"
        self.netns = f"{lab.prefix}-{self.name}"
        self.ip = f"172.18.0.{number + 1}"
        self.ip6 = f"fc00:172:18::{number + 1}" if lab.ipv6 else None
        self.mac = f"02:42:ac:12:00:0{number + 1}"
        self.pod_cidr = f"10.244.{number}.0/{lab.bits}"
        self.pod_cidr6 = f"fd00:10:244:{number}::/64" if lab.ipv6 else None
        self.vtep_ip = f"10.244.{number}.0"
        self.vtep_ip6 = f"fd00:10:244:{number}::" if lab.ipv6 else None
        self.vtep_mac = self._vtep_mac(lab, "")
        self.vtep_mac6 = self._vtep_mac(lab, "-v6") if lab.ipv6 else None
        self.pods = [Pod(lab, number, pod) for pod in PODS]

    def _vtep_mac(self, lab, suffix):
        if lab.variant == "calico":
            digest = hashlib.sha1((self.name + suffix).encode()).digest()
            return ":".join(f"{byte:02x}" for byte in b"\x66" + digest[:5])
        start = "e6:8d:0f:1a:6b" if suffix else "ee:8d:0f:1a:4b"
        return f"{start}:0{self.number}"


class Lab:
    """The lab of a settings file: one `name=value` a line."""

    def __init__(self, settings_path):
        with open(settings_path) as lines:
            settings = dict(line.rstrip("\n").split("=", 1) for line in lines)
        self.prefix = settings["prefix"]
        self.variant = settings["variant"]
        self.ipv6 = settings["ipv6"] == "yes"
        self.services = settings["services"] == "yes"
        self.plain_nic = settings["plain"] == "yes"
        self.vni = int(settings["vni"])
        self.port = int(settings["port"])
        self.bits = int(settings["bits"])
        self.vtep = settings["vtep"]
        self.vtep6 = settings["vtep6"]
        self.mtu = int(settings["mtu"])
        self.underlay = f"{self.prefix}-sw"
        self.nodes = [Node(self, number) for number in NODES]
        self.pods = [pod for node in self.nodes for pod in node.pods]

    def node(self, name):
        return next(node for node in self.nodes if node.name == name)

    def pod(self, name):
        return next(pod for pod in self.pods if pod.name == name)


def links(netns):
    """The devices of a namespace, as `ip -j -d link` reports them."""
    done = subprocess.run(
        ["ip", "-n", netns, "-j", "-d", "link"], check=True, stdout=subprocess.PIPE, timeout=10
    )
    return json.loads(done.stdout)


def socket_in(netns, family, kind, protocol=0, timeout=3.0):
    """A socket of another network namespace."""
    with inside(netns):
        opened = socket.socket(family, kind, protocol)
    opened.settimeout(timeout)
    return opened
