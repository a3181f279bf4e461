#!/usr/bin/env python3
"""traffic.py SETTINGS [--json] KIND...|all: traffic in a lab, bounded in amount and time."""

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import time

import faults
from endpoints import (
    DNS_NXDOMAIN,
    dns_answer,
    dns_code,
    dns_query,
    http_get,
    http_server,
    ping,
    tcp_send,
    tcp_sink,
    udp_ask,
    udp_send,
    udp_server,
)
from lab import Lab, socket_in

TCP_PORT, HTTP_PORT, ECHO_PORT, SINK_PORT, DNS_PORT = 5001, 8080, 7, 9999, 53
WEB_SERVICE, DNS_SERVICE = "10.96.0.80", "10.96.0.10"


class Skipped(Exception):
    """This lab cannot carry that kind of traffic; the reason is the message."""


def echo(datagram):
    return datagram


# Each kind yields (what, expected, seen), for `expected` a number or a range.


def ping_traffic(lab):
    """every pod pings every other, and n1p1 pings n2p1 with large packets"""
    answered = sum(
        ping(source.netns, target.ip)
        for source in lab.pods
        for target in lab.pods
        if source is not target
    )
    yield "pings answered between all pods", len(lab.pods) * (len(lab.pods) - 1), answered
    source, target = lab.pod("n1p1"), lab.pod("n2p1")
    yield "large pings answered", 2, ping(source.netns, target.ip, 2, 1372)


def tcp_traffic(lab):
    """4 MiB from n1p1 to n2p1, 1 MiB back"""
    source, target = lab.pod("n1p1"), lab.pod("n2p1")
    for sender, receiver, length in ((source, target, 4 << 20), (target, source, 1 << 20)):
        with tcp_sink(receiver.netns, receiver.ip, TCP_PORT):
            got, _ = tcp_send(sender.netns, receiver.ip, TCP_PORT, length)
        yield f"bytes {sender.name} to {receiver.name}", length, got


def http_traffic(lab):
    """20 GETs from n1p1 to n2p1; with services 10 to 10.96.0.80 and 4 from node n1"""
    source, first, second = lab.pod("n1p1"), lab.pod("n2p1"), lab.pod("n3p1")
    with (
        http_server(first.netns, first.ip, HTTP_PORT),
        http_server(second.netns, second.ip, HTTP_PORT),
    ):
        good = sum(http_get(source.netns, first.ip, HTTP_PORT)[0] for _ in range(20))
        yield "GETs of a pod", 20, good
        if not lab.services:
            return
        good = sum(http_get(source.netns, WEB_SERVICE, 80)[0] for _ in range(10))
        yield "GETs of a service from a pod", 10, good
        good = sum(http_get(lab.node("n1").netns, WEB_SERVICE, 80)[0] for _ in range(4))
        yield "GETs of a service from a node", 4, good


def udp_traffic(lab):
    """200 datagrams over 20 source ports to a silent sink, then 50 echoed"""
    source, target = lab.pod("n1p1"), lab.pod("n3p2")
    with udp_server(target.netns, target.ip, SINK_PORT, lambda _: None) as received:
        udp_send(source.netns, target.ip, SINK_PORT, 200, 22, ports=20)
    yield "datagrams arrived", 200, len(received)
    with udp_server(target.netns, target.ip, ECHO_PORT, echo):
        asked = [os.urandom(64) for _ in range(50)]
        good = sum(udp_ask(source.netns, target.ip, ECHO_PORT, data)[0] == data for data in asked)
    yield "datagrams echoed", 50, good


def dns_traffic(lab):
    """25 queries of n1p1 to n2p2, every fifth for a name that is not there; as many to 10.96.0.10"""
    source, server = lab.pod("n1p1"), lab.pod("n2p2")
    targets = [("a pod", server.ip)] + ([("a service", DNS_SERVICE)] if lab.services else [])
    with udp_server(server.netns, server.ip, DNS_PORT, dns_answer):
        for kind, address in targets:
            found = missing = 0
            for number in range(1, 26):
                name = "missing" if number % 5 == 0 else f"web-{number}"
                query = dns_query(number, f"{name}.default.svc.cluster.local")
                code = dns_code(udp_ask(source.netns, address, DNS_PORT, query)[0], number)
                found += code == 0
                missing += code == DNS_NXDOMAIN
            yield f"names found by {kind}", 20, found
            yield f"names not there by {kind}", 5, missing


def ipv6_traffic(lab):
    """ping, HTTP, TCP and UDP over flannel-v6.1"""
    if not lab.ipv6:
        raise Skipped("this lab has no IPv6 (up --ipv6)")
    source, target = lab.pod("n1p1"), lab.pod("n2p1")
    yield "pings answered", 4, ping(source.netns, target.ip6, 4)
    with http_server(target.netns, target.ip6, HTTP_PORT):
        yield "GETs", 10, sum(http_get(source.netns, target.ip6, HTTP_PORT)[0] for _ in range(10))
    with tcp_sink(target.netns, target.ip6, TCP_PORT):
        yield "bytes", 1 << 20, tcp_send(source.netns, target.ip6, TCP_PORT, 1 << 20)[0]
    with udp_server(target.netns, target.ip6, ECHO_PORT, echo):
        asked = [os.urandom(64) for _ in range(20)]
        good = sum(udp_ask(source.netns, target.ip6, ECHO_PORT, data)[0] == data for data in asked)
    yield "datagrams echoed", 20, good


def large_traffic(lab):
    """inner fragments: pings of 4000 bytes and datagrams of 3000 from a pod"""
    source, target = lab.pod("n1p1"), lab.pod("n2p1")
    yield "pings of 4000 bytes answered", 3, ping(source.netns, target.ip, 3, 4000)
    with udp_server(target.netns, target.ip, ECHO_PORT, echo):
        asked = [os.urandom(3000) for _ in range(4)]
        good = sum(udp_ask(source.netns, target.ip, ECHO_PORT, data)[0] == data for data in asked)
    yield "datagrams of 3000 bytes echoed", 4, good


def underlay_traffic(lab):
    """the nodes' own packets: HTTP, ping, and datagrams to tunnel ports that are no VXLAN"""
    source, target = lab.node("n1"), lab.node("n2")
    yield "pings between nodes", 3, ping(source.netns, target.ip, 3)
    with http_server(target.netns, target.ip, HTTP_PORT):
        yield "GETs between nodes", 5, sum(
            http_get(source.netns, target.ip, HTTP_PORT)[0] for _ in range(5)
        )
    sent = 0
    with socket_in(source.netns, socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for port in (8472, 4789):
            for text in (b"no", b"this is no VXLAN packet", b"\x08"):
                with contextlib.suppress(ConnectionRefusedError):
                    sender.sendto(text, (target.ip, port))
                    sent += 1
    yield "stray datagrams", 6, sent


def described(function, text):
    function.__doc__ = text
    return function


PLAIN = {
    "ping": ping_traffic,
    "tcp": tcp_traffic,
    "http": http_traffic,
    "udp": udp_traffic,
    "dns": dns_traffic,
    "ipv6": ipv6_traffic,
    "large": large_traffic,
    "underlay": underlay_traffic,
    "fragments": described(
        faults.fragments_traffic, "outer fragments: pings and TCP over an underlay route of MTU 1400"
    ),
}
FAULTS = {
    "stale-mac": described(
        faults.stale_mac_traffic, "n1 sends to a VTEP MAC that n2 no longer has: no reply"
    ),
    "unreachable": described(
        faults.unreachable_traffic, "n2 has no VXLAN device: ICMP port unreachable quotes the tunnel"
    ),
    "wrong-port": described(faults.wrong_port_traffic, "n1 sends to n2 on the port after the right one"),
    "wrong-vni": described(faults.wrong_vni_traffic, "n1 sends to n2 with the VNI after the right one"),
    "loss": described(faults.loss_traffic, "the underlay drops every tenth tunnel packet of n1"),
}
KINDS = PLAIN | FAULTS


def matches(expected, seen):
    return seen in expected if isinstance(expected, range) else seen == expected


def run(lab, kind, as_json):
    """Makes one kind of traffic and prints a line a result; returns whether all was as expected."""
    started = time.monotonic()
    good = True
    try:
        for what, expected, seen in KINDS[kind](lab):
            right = matches(expected, seen)
            good &= right
            if as_json:
                row = {"kind": kind, "what": what, "seen": seen, "ok": right}
                print(json.dumps(row), flush=True)
            else:
                wanted = f"{expected.start}-{expected.stop}" if isinstance(expected, range) else expected
                print(f"{kind}: {'' if right else 'FAILED: '}{what}: {seen} of {wanted}", flush=True)
    except Skipped as reason:
        print(f"{kind}: skipped: {reason}", file=sys.stderr)
    except (OSError, RuntimeError) as error:
        print(f"{kind}: FAILED after {time.monotonic() - started:.1f} s: {error}", file=sys.stderr)
        return False
    return good


def parse(arguments):
    listing = "\n".join(f"  {name:12}{function.__doc__}" for name, function in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="flannel-lab traffic",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"kinds:\n{listing}\n  faults      stale-mac to loss\n  all         everything",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a result")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="all of it N times")
    parser.add_argument("--limit", type=int, default=120, metavar="SECONDS", help="give up after (120)")
    parser.add_argument("kind", nargs="+", metavar="KIND", choices=[*KINDS, "faults", "all"])
    return parser.parse_args(arguments)


def main(settings, arguments):
    chosen = parse(arguments)
    kinds = []
    for kind in chosen.kind:
        kinds += {"faults": list(FAULTS), "all": list(KINDS)}.get(kind, [kind])

    def give_up(number, _):
        # raised where the work is, so that a fault in force is taken back
        raise RuntimeError(f"ended by {signal.Signals(number).name}")

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, give_up)
    signal.alarm(chosen.limit)
    lab = Lab(settings)
    results = [run(lab, kind, chosen.json) for _ in range(chosen.repeat) for kind in kinds]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
