"""A DNS server that fails: dns_peer.py ADDRESS RCODE

Answers each query with RCODE and no records (2 SERVFAIL, 5 REFUSED).
"""

import socket
import sys

address, rcode = sys.argv[1], int(sys.argv[2])
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((address, 53))
while True:
    query, client = server.recvfrom(4096)
    if len(query) >= 12:
        end = query.find(b"\0", 12) + 5
        head = query[:2] + bytes([0x80 | query[2] & 0x01, 0x80 | rcode]) + b"\0\1\0\0\0\0\0\0"
        server.sendto(head + query[12:end], client)
