"""Answers every request at once without looking at it: shows what the load generator itself costs.

`python -m bench.echo PORT`
"""

import select
import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n" + b'{"success":true}'


def serve(port: int) -> None:
    """Answer until killed; a request is over when as many bytes have come as its head says."""
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    missing: dict[int, int] = {}
    while True:
        for number, _ in epoll.poll():
            if number == listener.fileno():
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients[client.fileno()], missing[client.fileno()] = client, 0
                epoll.register(client, select.EPOLLIN)
                continue
            try:
                data = clients[number].recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                epoll.unregister(number)
                clients.pop(number).close()
                continue
            if not missing[number]:
                head_end = data.index(b"\r\n\r\n") + 4
                at = data.index(b"Content-Length:") + 15
                missing[number] = head_end + int(data[at : data.index(b"\r", at)])
            missing[number] -= len(data)
            if not missing[number]:
                clients[number].send(ANSWER)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
