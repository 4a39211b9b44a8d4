"""resolve.py [SENDER] < ADDRESSES: asks trivial-rewrite(8) itself, by its private socket, about each address of standard input.

Prints a JSON list: what the queue manager would get to know (transport, nexthop, recipient, class).
"""

import json
import socket
import subprocess
import sys

CLASSES = {1 << 8: "local", 1 << 9: "virtual alias", 1 << 10: "virtual mailbox", 1 << 11: "relay", 1 << 12: "default"}


def ask(path, attributes):
    """One request; the answer as a dictionary. From 3.6 on the server says first which protocol it speaks."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(path)
    words = [word for pair in attributes for word in pair]
    client.sendall("\0".join(words).encode() + b"\0\0")
    got = b""
    while got.count(b"\0\0") + (0 if got.startswith(b"protocol\0") else 1) < 2:
        more = client.recv(4096)
        if not more:
            break
        got += more
        # An empty value makes two NULs in the middle: the answer is whole when its last attribute is there.
        if b"\0flags\0" in got[20:] and got.endswith(b"\0\0") and got.rfind(b"\0flags\0") > got.find(b"\0recipient\0"):
            break
    client.close()
    parts = got.split(b"\0\0protocol\0")[0].split(b"\0")
    if parts and parts[0] == b"protocol":
        parts = parts[3:]
    fields = [part.decode("utf-8", "replace") for part in parts]
    return {name: value for name, value in zip(fields[::2], fields[1::2]) if name}


def main():
    spool = subprocess.check_output(["postconf", "-xh", "queue_directory"], text=True).strip()
    sender = sys.argv[1] if len(sys.argv) > 1 else ""
    rows = []
    for address in sys.stdin.read().split("\n"):
        if not address:
            continue
        got = ask(f"{spool}/private/rewrite", [("request", "resolve"), ("sender", sender), ("address", address)])
        flags = int(got.get("flags", 0) or 0)
        kind = next((name for bit, name in CLASSES.items() if flags & bit), None)
        rows.append({"address": address, "class": kind, "flags": flags, **{k: got.get(k) for k in ("transport", "nexthop", "recipient")}})
    json.dump(rows, sys.stdout)
    print()


main()
