"""A mail filter that speaks the milter protocol: milter_peer.py ADDRESS MODE

ADDRESS: a path of a UNIX socket, or HOST:PORT.
MODE: accept, reject, tempfail; hang (accepts connections and never answers); garbage (answers what is no milter packet);
die (closes the connection at the first command after the greeting).
"""

import os
import socket
import struct
import sys
import threading
import time

address, mode = sys.argv[1], sys.argv[2]
CONTINUE, REPLIES = b"c", {"reject": b"r", "tempfail": b"t"}


def exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def packet(connection, data):
    connection.sendall(struct.pack("!I", len(data)) + data)


def session(connection):
    try:
        while True:
            (size,) = struct.unpack("!I", exactly(connection, 4))
            data = exactly(connection, size)
            command = data[:1]
            if mode == "hang":
                time.sleep(3600)
            if mode == "garbage":
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            if command == b"O":
                version = struct.unpack("!I", data[1:5])[0]
                packet(connection, b"O" + struct.pack("!III", min(version, 6), 0, 0))
            elif mode == "die":
                return
            elif command == b"Q":
                return
            elif command in b"DA":
                continue
            elif command == b"R" and mode in REPLIES:
                packet(connection, REPLIES[mode])
            else:
                packet(connection, CONTINUE)
    except (EOFError, OSError):
        pass
    finally:
        connection.close()


if address.startswith("/"):
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(address):
        os.unlink(address)
    listener.bind(address)
    os.chmod(address, 0o666)
else:
    host, _, port = address.rpartition(":")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
listener.listen(20)
while True:
    threading.Thread(target=session, args=(listener.accept()[0],), daemon=True).start()
