"""What the log of a healthy server on the internet looks like: noise.py LINES [HOURS]

Prints about LINES lines of the HOURS (default 60) before now, oldest first: deliveries, scanners, guessed passwords,
spam that is refused, greylisting peers, a peer that is down now and then.
"""

import random
import sys
import time

lines, hours = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 60
random.seed(4711)
HOST = "mail"
DOMAINS = ["partner.example", "plain.example", "news.example", "club.example", "shop.example", "grey.example"]
WORDS = "info office sales jan eva tom news board team shop help".split()


def outsider():
    return "203.0.113.%d" % random.randint(100, 250)


def queue_id():
    return "%011X" % random.randint(0x10000000000, 0xFFFFFFFFFFF)


def pid():
    return random.randint(800, 32000)


def delivered():
    q, p, domain, who = queue_id(), pid(), random.choice(DOMAINS), random.choice(WORDS)
    message = "%x.%x@corp.example" % (random.getrandbits(40), random.getrandbits(24))
    yield "postfix/pickup[%d]: %s: uid=3001 from=<ada>" % (pid(), q)
    yield "postfix/cleanup[%d]: %s: message-id=<%s>" % (pid(), q, message)
    yield "postfix/qmgr[611]: %s: from=<ada@corp.example>, size=%d, nrcpt=1 (queue active)" % (q, random.randint(500, 90000))
    yield (
        "postfix/smtp[%d]: %s: to=<%s@%s>, relay=mx.%s[198.51.100.%d]:25, delay=0.8, delays=0.1/0/0.3/0.4, dsn=2.0.0, "
        "status=sent (250 2.0.0 Ok: queued as %X)" % (p, q, who, domain, domain, random.randint(90, 120), random.getrandbits(40))
    )
    yield "postfix/qmgr[611]: %s: removed" % q


def received():
    q, p, ip, domain = queue_id(), pid(), outsider(), random.choice(DOMAINS)
    yield "postfix/smtpd[%d]: connect from mail.%s[%s]" % (p, domain, ip)
    yield "postfix/smtpd[%d]: %s: client=mail.%s[%s]" % (p, q, domain, ip)
    yield "postfix/cleanup[%d]: %s: message-id=<%x@%s>" % (pid(), q, random.getrandbits(50), domain)
    yield "postfix/qmgr[611]: %s: from=<%s@%s>, size=%d, nrcpt=1 (queue active)" % (q, random.choice(WORDS), domain, random.randint(900, 50000))
    yield "postfix/local[%d]: %s: to=<ada@corp.example>, relay=local, delay=0.2, delays=0.2/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)" % (pid(), q)
    yield "postfix/qmgr[611]: %s: removed" % q
    yield "postfix/smtpd[%d]: disconnect from mail.%s[%s] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5" % (p, domain, ip)


def guessing():
    p, ip = pid(), outsider()
    yield "postfix/submission/smtpd[%d]: connect from unknown[%s]" % (p, ip)
    yield "postfix/submission/smtpd[%d]: warning: unknown[%s]: SASL LOGIN authentication failed: authentication failure" % (p, ip)
    yield "postfix/submission/smtpd[%d]: disconnect from unknown[%s] ehlo=1 auth=0/1 quit=1 commands=2/3" % (p, ip)


def scanner():
    p, ip = pid(), outsider()
    yield "postfix/smtpd[%d]: connect from scan-%d.research.example[%s]" % (p, random.randint(1, 99), ip)
    yield random.choice(
        [
            "postfix/smtpd[%d]: SSL_accept error from unknown[%s]: -1" % (p, ip),
            "postfix/smtpd[%d]: SSL_accept error from unknown[%s]: lost connection" % (p, ip),
            "postfix/smtpd[%d]: lost connection after STARTTLS from unknown[%s]" % (p, ip),
            "postfix/smtpd[%d]: improper command pipelining after CONNECT from unknown[%s]: GET / HTTP/1.1\\r\\nHost: x" % (p, ip),
            "postfix/smtpd[%d]: warning: non-SMTP command from unknown[%s]: GET / HTTP/1.1" % (p, ip),
            "postfix/smtpd[%d]: lost connection after UNKNOWN from unknown[%s]" % (p, ip),
        ]
    )
    if random.random() < 0.4:
        yield (
            "postfix/smtpd[%d]: warning: TLS library problem: error:0A00010B:SSL routines::wrong version number:"
            "../ssl/record/ssl3_record.c:354:" % p
        )
    yield "postfix/smtpd[%d]: disconnect from unknown[%s] commands=0/0" % (p, ip)


def spam():
    p, ip, victim = pid(), outsider(), random.choice(["ada", "ben", "cleo"])
    yield "postfix/smtpd[%d]: warning: hostname host-%s.dyn.example does not resolve to address %s: Name or service not known" % (p, ip, ip)
    yield "postfix/smtpd[%d]: connect from unknown[%s]" % (p, ip)
    sender = "%s@%s" % (random.choice(WORDS), random.choice(["cheap.example", "win.example"]))
    yield random.choice(
        [
            "postfix/smtpd[%d]: NOQUEUE: reject: RCPT from unknown[%s]: 554 5.7.1 <stranger%d@elsewhere.example>: Relay access denied; "
            "from=<%s> to=<stranger%d@elsewhere.example> proto=ESMTP helo=<win>" % (p, ip, 7, sender, 7),
            "postfix/smtpd[%d]: NOQUEUE: reject: RCPT from unknown[%s]: 550 5.1.1 <%s%d@corp.example>: Recipient address rejected: "
            "User unknown in local recipient table; from=<%s> to=<%s%d@corp.example> proto=SMTP helo=<win>"
            % (p, ip, victim, 1990, sender, victim, 1990),
            "postfix/smtpd[%d]: NOQUEUE: reject: RCPT from unknown[%s]: 554 5.7.1 Service unavailable; Client host [%s] blocked using "
            "list.dnsbl.example; from=<%s> to=<%s@corp.example> proto=ESMTP helo=<win>" % (p, ip, ip, sender, victim),
        ]
    )
    yield "postfix/smtpd[%d]: disconnect from unknown[%s] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4" % (p, ip)


def greylisted():
    q, who = queue_id(), random.choice(WORDS)
    to = "%s@grey.example" % who
    yield "postfix/qmgr[611]: %s: from=<ben@corp.example>, size=2210, nrcpt=1 (queue active)" % q
    yield (
        "postfix/smtp[%d]: %s: to=<%s>, relay=mx.grey.example[198.51.100.14]:25, delay=1.1, delays=0.1/0/0.5/0.5, dsn=4.2.0, status=deferred "
        "(host mx.grey.example[198.51.100.14] said: 450 4.2.0 <%s>: Recipient address rejected: Greylisted (in reply to RCPT TO command))"
        % (pid(), q, to, to)
    )
    yield "postfix/qmgr[611]: %s: from=<ben@corp.example>, size=2210, nrcpt=1 (queue active)" % q
    yield (
        "postfix/smtp[%d]: %s: to=<%s>, relay=mx.grey.example[198.51.100.14]:25, delay=412, delays=411/0/0.5/0.5, dsn=2.0.0, "
        "status=sent (250 2.0.0 Ok)" % (pid(), q, to)
    )
    yield "postfix/qmgr[611]: %s: removed" % q


def others():
    yield random.choice(
        [
            "CRON[%d]: pam_unix(cron:session): session opened for user root" % pid(),
            "postfix/anvil[%d]: statistics: max connection rate 3/60s for (smtp:203.0.113.140) at Nov 20 03:14:12" % pid(),
            "postfix/scache[%d]: statistics: start interval Nov 20 03:14:12" % pid(),
            "postfix/smtpd[%d]: connect from localhost[127.0.0.1]" % pid(),
        ]
    )


kinds = [(delivered, 30), (received, 30), (guessing, 12), (scanner, 10), (spam, 14), (greylisted, 3), (others, 6)]
out = []
while len(out) < lines:
    out.extend(random.choices([k for k, _ in kinds], [w for _, w in kinds])[0]())
now = time.time()
step = hours * 3600 / (len(out) + 1)
for index, text in enumerate(out):
    moment = now - hours * 3600 + (index + 0.5) * step
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    print("%s.%06d+00:00 %s %s" % (stamp, int(moment % 1 * 1e6), HOST, text))
