"""An SMTPD access policy server: policy_peer.py ADDRESS ACTION

ADDRESS: a path of a UNIX socket, or HOST:PORT. ACTION: what it answers ("dunno", "reject not today", ...);
"hang" never answers, "die" closes the connection.
"""

import os
import socket
import sys
import threading
import time

address, action = sys.argv[1], sys.argv[2]


def session(connection):
    with connection, connection.makefile("rwb") as stream:
        while True:
            line = stream.readline()
            if not line:
                return
            if line.strip():
                continue
            if action == "hang":
                time.sleep(3600)
            if action == "die":
                return
            stream.write(b"action=" + action.encode() + b"\n\n")
            stream.flush()


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
