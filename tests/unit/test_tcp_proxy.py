"""The proxy that other tests put between two processes does to a connection what it says."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest
from fixtures.tcp_proxy import TcpProxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(1 << 16):
                self.server.seen += len(data)  # type: ignore[attr-defined]
                self.request.sendall(data)
        except OSError:
            pass


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    seen = 0


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: EchoServer) -> Iterator[TcpProxy]:
    with TcpProxy(echo.server_address[1]) as running:
        yield running


def connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def exactly(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (data := client.recv(size - len(found))):
        found += data
    return found


def test_it_passes_bytes_and_the_end_of_them(proxy: TcpProxy) -> None:
    big = bytes(range(256)) * 4096
    with connect(proxy) as client:
        sender = threading.Thread(target=client.sendall, args=(big,))
        sender.start()
        assert exactly(client, len(big)) == big
        sender.join()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert proxy.connections == 1


def test_a_stall_holds_everything_back_until_it_ends(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        client.sendall(b"a")
        assert exactly(client, 1) == b"a"
        proxy.stall()
        client.sendall(b"b")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.resume()
        client.settimeout(5)
        assert exactly(client, 1) == b"b"


def test_a_delay_is_waited_each_way(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        proxy.delay(0.1)
        since = time.monotonic()
        client.sendall(b"a")
        assert exactly(client, 1) == b"a"
        assert time.monotonic() - since >= 0.2


@pytest.mark.parametrize("stalled", [False, True])
def test_a_cut_resets_and_new_connections_are_taken(proxy: TcpProxy, stalled: bool) -> None:
    with connect(proxy) as client:
        client.sendall(b"a")
        assert exactly(client, 1) == b"a"
        if stalled:
            proxy.stall()
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    proxy.resume()
    with connect(proxy) as client:
        client.sendall(b"b")
        assert exactly(client, 1) == b"b"


def test_a_refusal_leaves_what_is_connected(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        client.sendall(b"a")
        assert exactly(client, 1) == b"a"
        proxy.refuse()
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        client.sendall(b"b")
        assert exactly(client, 1) == b"b"
    proxy.accept()
    proxy.accept()
    with connect(proxy) as client:
        client.sendall(b"c")
        assert exactly(client, 1) == b"c"


def test_cut_after_passes_so_many_bytes_and_no_more(proxy: TcpProxy, echo: EchoServer) -> None:
    with connect(proxy) as client:
        proxy.cut_after(100_000)
        with pytest.raises(OSError):
            client.sendall(bytes(50_000_000))
    assert echo.seen <= 100_000
    with connect(proxy) as client:
        client.sendall(b"b")
        assert exactly(client, 1) == b"b"


def test_stall_after_passes_so_many_bytes_until_it_ends(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        proxy.stall_after(3)
        client.sendall(b"abcdef")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.resume()
        client.settimeout(5)
        assert exactly(client, 6) == b"abcdef"


def test_without_a_target_a_connection_is_reset() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # not listening
        with TcpProxy(deaf.getsockname()[1]) as proxy:
            with pytest.raises(ConnectionResetError):
                connect(proxy).recv(1)
        proxy.close()
