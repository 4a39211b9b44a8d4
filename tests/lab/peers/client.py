"""A mail client: client.py [-s SERVER:PORT] [-b SOURCE] [-h HELO] [-f FROM] [-t TO[,TO]] [-u USER:PASS] [-S] [-w] [-n COUNT] [-z BYTES] [-T SECONDS]

-S STARTTLS, -w TLS from the first byte, -n messages in one session, -z size of the body. Prints the dialogue.
"""

import argparse
import smtplib
import ssl
import sys

p = argparse.ArgumentParser(add_help=False)
p.add_argument("-s", default="192.0.2.10:25")
p.add_argument("-b", default="203.0.113.5")
p.add_argument("-h", default="out.sender.example")
p.add_argument("-f", default="writer@sender.example")
p.add_argument("-t", default="ada@corp.example")
p.add_argument("-u")
p.add_argument("-S", action="store_true")
p.add_argument("-w", action="store_true")
p.add_argument("-n", type=int, default=1)
p.add_argument("-z", type=int, default=0)
p.add_argument("-T", type=float, default=30)
o = p.parse_args()

context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
host, _, port = o.s.rpartition(":")
options = dict(local_hostname=o.h, timeout=o.T, source_address=(o.b, 0))
try:
    make = smtplib.SMTP_SSL if o.w else smtplib.SMTP
    if o.w:
        options["context"] = context
    with make(host.strip("[]"), int(port), **options) as server:
        server.set_debuglevel(1)
        server.ehlo_or_helo_if_needed()
        if o.S:
            server.starttls(context=context)
        if o.u:
            server.login(*o.u.split(":", 1))
        for number in range(o.n):
            body = "x" * 76 + "\r\n"
            text = "From: %s\r\nTo: %s\r\nSubject: number %d\r\n\r\nhello\r\n%s" % (o.f, o.t, number, body * (o.z // 78))
            server.sendmail(o.f, o.t.split(","), text)
except (OSError, smtplib.SMTPException) as error:
    print("client:", error, file=sys.stderr)
    sys.exit(1)
