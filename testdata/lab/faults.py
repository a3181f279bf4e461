"""Faults that people chase in overlays, made on purpose and taken back at the end."""

import contextlib
import subprocess

from endpoints import ping, tcp_send, tcp_sink, udp_send, udp_server

LOSS_EVERY = 10


def _run(*words, stdin=None):
    done = subprocess.run(words, input=stdin, text=True, capture_output=True, timeout=10)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


def _ip(netns, words):
    _run("ip", "-n", netns, *words.split())


def _fdb(netns, words):
    _run("bridge", "-n", netns, "fdb", *words.split())


@contextlib.contextmanager
def stale_vtep_mac(lab, node, peer):
    """`node` still uses a MAC that `peer`'s VXLAN device no longer has (flannel#1155, #1795)."""
    stale = "de:ad:0f:1a:4b:0" + str(peer.number)
    neighbour = f"neigh replace {peer.vtep_ip} dev {lab.vtep} nud permanent lladdr "
    _fdb(node.netns, f"append {stale} dev {lab.vtep} dst {peer.ip} self permanent")
    _ip(node.netns, neighbour + stale)
    try:
        yield
    finally:
        _ip(node.netns, neighbour + peer.vtep_mac)
        _fdb(node.netns, f"del {stale} dev {lab.vtep} dst {peer.ip} self")


@contextlib.contextmanager
def vtep_gone(lab, node):
    """`node`'s VXLAN device is down: its kernel answers tunnel packets with ICMP port unreachable."""
    _ip(node.netns, f"link set {lab.vtep} down")
    try:
        yield
    finally:
        # Down took the device's routes and neighbours with it.
        _ip(node.netns, f"link set {lab.vtep} up")
        for peer in lab.nodes:
            if peer is not node:
                _ip(
                    node.netns,
                    f"neigh replace {peer.vtep_ip} lladdr {peer.vtep_mac} dev {lab.vtep} nud permanent",
                )
                _ip(node.netns, f"route replace {peer.pod_cidr} via {peer.vtep_ip} dev {lab.vtep} onlink")


@contextlib.contextmanager
def peer_entry(lab, node, peer, extra):
    """`node`'s forwarding entry for `peer` with another port or VNI."""
    entry = f"dev {lab.vtep} dst {peer.ip} self"
    _fdb(node.netns, f"del {peer.vtep_mac} {entry}")
    try:
        _fdb(node.netns, f"append {peer.vtep_mac} {entry} permanent {extra}")
        yield
    finally:
        with contextlib.suppress(RuntimeError):
            _fdb(node.netns, f"del {peer.vtep_mac} {entry} {extra}")
        _fdb(node.netns, f"append {peer.vtep_mac} {entry} permanent")


@contextlib.contextmanager
def loss(lab, node):
    """The underlay drops every tenth tunnel packet of `node`; yields how: exactly, or at random."""
    port = f"p{node.number}"
    rules = f"""table bridge flannel_lab_loss {{
        chain forward {{
            type filter hook forward priority 0
            iifname "{port}" udp dport {lab.port} numgen inc mod {LOSS_EVERY} 0 drop
        }}
    }}"""
    enter = ("nsenter", f"--net=/run/netns/{lab.underlay}", "--")
    try:
        _run(*enter, "nft", "-f", "-", stdin=rules)
        exact = True
        undo = (*enter, "nft", "delete", "table", "bridge", "flannel_lab_loss")
    except (RuntimeError, OSError):  # no nft, or a kernel without bridge tables
        # netem drops what leaves eth0, after the capture point on eth0.
        _run("tc", "-n", node.netns, *f"qdisc add dev eth0 root netem loss {100 / LOSS_EVERY}%".split())
        exact = False
        undo = ("tc", "-n", node.netns, *"qdisc del dev eth0 root".split())
    try:
        yield exact
    finally:
        _run(*undo)


@contextlib.contextmanager
def small_underlay_route(node, peer, mtu):
    """A small route MTU between two nodes: the outer packets have no DF bit and are fragmented."""
    words = f"{peer.ip}/32 dev eth0"
    _ip(node.netns, f"route add {words} mtu {mtu}")
    try:
        yield
    finally:
        _ip(node.netns, f"route del {words}")
        _ip(node.netns, "route flush cache")


# ---- the traffic kinds; each yields (what, expected, seen) ---------------------------------------------


def _lost_pings(lab, count=3):
    source, target = lab.pod("n1p1"), lab.pod("n2p1")
    return ping(source.netns, target.ip, count, timeout=0.2)


def _recovery(lab):
    yield "pings answered afterwards", 1, _lost_pings(lab, 1)


def stale_mac_traffic(lab):
    with stale_vtep_mac(lab, lab.node("n1"), lab.node("n2")):
        yield "pings answered with a stale VTEP MAC", 0, _lost_pings(lab)
    yield from _recovery(lab)


def unreachable_traffic(lab):
    with vtep_gone(lab, lab.node("n2")):
        yield f"pings answered with {lab.vtep} of n2 down", 0, _lost_pings(lab)
    yield from _recovery(lab)


def wrong_port_traffic(lab):
    with peer_entry(lab, lab.node("n1"), lab.node("n2"), f"port {lab.port + 1 & 0xFFFF or 1}"):
        yield "pings answered with the wrong port", 0, _lost_pings(lab)
    yield from _recovery(lab)


def wrong_vni_traffic(lab):
    with peer_entry(lab, lab.node("n1"), lab.node("n2"), f"vni {lab.vni % 0xFFFFFF + 1}"):
        yield "pings answered with the wrong VNI", 0, _lost_pings(lab)
    yield from _recovery(lab)


def loss_traffic(lab):
    source, target = lab.pod("n1p1"), lab.pod("n2p1")
    with loss(lab, lab.node("n1")) as exact:
        with udp_server(target.netns, target.ip, 9999, lambda _: None) as received:
            udp_send(source.netns, target.ip, 9999, 200, 64)
        expected = 180 if exact else range(140, 200)
        yield "of 200 datagrams arrived", expected, len(received)
        with tcp_sink(target.netns, target.ip, 5001):
            got, _ = tcp_send(source.netns, target.ip, 5001, 1 << 18, timeout=30)
        yield "TCP bytes in spite of the loss", 1 << 18, got


def fragments_traffic(lab):
    n1, n2 = lab.node("n1"), lab.node("n2")
    source, target = lab.pod("n1p1"), lab.pod("n2p1")
    with small_underlay_route(n1, n2, 1400), small_underlay_route(n2, n1, 1400):
        size = lab.mtu - 28 - (20 if lab.ipv6 else 0)
        yield "large pings answered in outer fragments", 5, ping(source.netns, target.ip, 5, size)
        with tcp_sink(target.netns, target.ip, 5001):
            got, _ = tcp_send(source.netns, target.ip, 5001, 50_000)
        yield "TCP bytes in outer fragments", 50_000, got
