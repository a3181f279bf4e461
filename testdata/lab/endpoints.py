"""Servers and clients of the lab's traffic. Each socket is opened inside a pod's or node's namespace;
the servers are threads of this one process, so that nothing outlives it."""

import contextlib
import http.client
import http.server
import os
import random
import select
import socket
import socketserver
import struct
import threading
import time

from lab import inside, socket_in

HTTP_BODY = bytes(range(32, 96)) * 32  # 2048 bytes
ICMP_ECHO, ICMP_ECHO_REPLY = 8, 0  # RFC 792
ICMPV6_ECHO, ICMPV6_ECHO_REPLY = 128, 129  # RFC 4443, section 4
DNS_A, DNS_NXDOMAIN = 1, 3  # RFC 1035, sections 3.2.2 and 4.1.1


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def internet_checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# ---- ping -------------------------------------------------------------------------------------------


def ping(netns, address, count=1, size=56, timeout=1.0, interval=0.0):
    """Sends echo requests one after another and returns how many were answered."""
    version6 = ":" in address
    protocol = socket.IPPROTO_ICMPV6 if version6 else socket.IPPROTO_ICMP
    request, wanted = (
        (ICMPV6_ECHO, ICMPV6_ECHO_REPLY) if version6 else (ICMP_ECHO, ICMP_ECHO_REPLY)
    )
    identifier = random.randrange(1, 65536)
    payload = bytes(index & 0xFF for index in range(size))
    answered = 0
    with socket_in(netns, family_of(address), socket.SOCK_RAW, protocol) as icmp:
        for sequence in range(1, count + 1):
            header = struct.pack("!BBHHH", request, 0, 0, identifier, sequence)
            if not version6:  # the kernel fills ICMPv6's checksum in
                checksum = internet_checksum(header + payload)
                header = struct.pack("!BBHHH", request, 0, checksum, identifier, sequence)
            icmp.sendto(header + payload, (address, 0))
            answered += _await_reply(icmp, version6, wanted, identifier, sequence, timeout)
            time.sleep(interval)
    return answered


def _await_reply(icmp, version6, wanted, identifier, sequence, timeout):
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0 and select.select([icmp], [], [], left)[0]:
        packet = icmp.recv(65535)
        if not version6:  # a raw IPv4 socket gives the IP header too
            packet = packet[(packet[0] & 0x0F) * 4 :]
        kind, _, _, reply_identifier, reply_sequence = struct.unpack("!BBHHH", packet[:8])
        if (kind, reply_identifier, reply_sequence) == (wanted, identifier, sequence):
            return 1
    return 0


# ---- TCP ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def tcp_sink(netns, address, port):
    """A server that answers a connection with the number of bytes it got, in eight bytes."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(10)
                with connection:
                    received = 0
                    while chunk := connection.recv(1 << 16):
                        received += len(chunk)
                    connection.sendall(struct.pack("!Q", received))

    listener = socket_in(netns, family_of(address), socket.SOCK_STREAM)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(16)
        listener.settimeout(None)
        threading.Thread(target=serve, daemon=True).start()
        yield
        # wakes accept(), which close() alone would leave waiting
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def tcp_send(netns, address, port, length, timeout=20.0):
    """Sends `length` bytes; returns how many the server got, and the local port."""
    chunk = bytes(range(256)) * 256
    with socket_in(netns, family_of(address), socket.SOCK_STREAM, timeout=timeout) as connection:
        connection.connect((address, port))
        sport = connection.getsockname()[1]
        for start in range(0, length, len(chunk)):
            connection.sendall(chunk[: min(len(chunk), length - start)])
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(8):
            answer += part
    return struct.unpack("!Q", answer)[0], sport


class _HttpHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self):
        found = self.path.startswith("/index")
        body = HTTP_BODY if found else b"not found\n"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


class _HttpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextlib.contextmanager
def http_server(netns, address, port):
    kind = type("Server", (_HttpServer,), {"address_family": family_of(address)})
    with inside(netns):
        server = kind((address, port), _HttpHandler)
    with server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield
        server.shutdown()


def http_get(netns, address, port, path="/index"):
    """One GET on a connection of its own; returns whether it brought the page, and the local port."""
    connection = http.client.HTTPConnection(address, port)
    with socket_in(netns, family_of(address), socket.SOCK_STREAM) as opened:
        opened.connect((address, port))
        sport = opened.getsockname()[1]
        connection.sock = opened
        connection.request("GET", path)
        response = connection.getresponse()
        return (response.status == 200 and response.read() == HTTP_BODY), sport


# ---- UDP ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def udp_server(netns, address, port, answer):
    """A server that sends `answer(datagram)` back, or nothing for None. Yields the lengths of the
    datagrams it got: complete once the block has ended."""
    received = []
    done = threading.Event()

    def serve():
        while True:
            try:
                datagram, peer = opened.recvfrom(65535)
            except TimeoutError:
                if done.is_set():  # only when quiet: what is under way is counted too
                    return
                continue
            except OSError:
                return
            received.append(len(datagram))
            reply = answer(datagram)
            if reply is not None:
                with contextlib.suppress(OSError):
                    opened.sendto(reply, peer)

    with socket_in(netns, family_of(address), socket.SOCK_DGRAM, timeout=0.1) as opened:
        opened.bind((address, port))
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield received
        done.set()
        thread.join(5)


def udp_send(netns, address, port, count, size, ports=1):
    """Sends datagrams round robin over several source ports and waits for no answer."""
    with contextlib.ExitStack() as stack:
        senders = [
            stack.enter_context(socket_in(netns, family_of(address), socket.SOCK_DGRAM))
            for _ in range(ports)
        ]
        for number in range(count):
            senders[number % ports].sendto(os.urandom(size), (address, port))
            if number % 50 == 49:
                time.sleep(0.005)  # the default receive buffer holds 166 small datagrams


def udp_ask(netns, address, port, datagram, timeout=1.0):
    """Sends one datagram and returns the answer (None where there is none) and the local port."""
    with socket_in(netns, family_of(address), socket.SOCK_DGRAM, timeout=timeout) as opened:
        opened.connect((address, port))
        sport = opened.getsockname()[1]
        opened.send(datagram)
        try:
            return opened.recv(65535), sport
        except (TimeoutError, ConnectionRefusedError):
            return None, sport


# ---- DNS ----------------------------------------------------------------------------------------------


def dns_query(identifier, name, kind=DNS_A):
    """A recursive query for one name. RFC 1035, section 4.1."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", identifier, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1)


def dns_answer(query):
    """What the lab's name server says: no name that starts with `missing`, 10.96.0.80 for all others."""
    if len(query) < 17:
        return None
    identifier = query[:2]
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    (kind,) = struct.unpack("!H", question[-4:-2])
    if question[1:].startswith(b"missing"):
        return identifier + struct.pack("!5H", 0x8580 | DNS_NXDOMAIN, 1, 0, 0, 0) + question
    if kind != DNS_A:
        return identifier + struct.pack("!5H", 0x8580, 1, 0, 0, 0) + question
    record = struct.pack("!HHHIH4s", 0xC00C, DNS_A, 1, 30, 4, socket.inet_aton("10.96.0.80"))
    return identifier + struct.pack("!5H", 0x8580, 1, 1, 0, 0) + question + record


def dns_code(answer, identifier):
    """The response code of an answer to this query; None for anything else."""
    if answer is None or len(answer) < 12:
        return None
    got, flags = struct.unpack("!HH", answer[:4])
    return flags & 0x0F if got == identifier and flags & 0x8000 else None
