"""Mail servers of other people: smtp_peer.py SPEC...

SPEC: ADDRESS:PORT[,name=value]...   (IPv6 in brackets)
  tls=CERT:KEY       offers STARTTLS          wrapped=1     TLS from the first byte
  auth=USER:PASS     offers AUTH, wants it    mechs=A B     its mechanisms (PLAIN LOGIN)
  banner=TEXT        instead of 220 ...       mail= rcpt= data= end=TEXT   replies of these stages
  grey=SECONDS       defers what it sees for the first time
  slow=SECONDS       waits before each reply  mute=1        accepts connections, says nothing
  size=BYTES         announces SIZE           cut=STAGE     closes the connection at that stage
Forwards nothing. With relay=ADDRESS:PORT each message is handed to that server: a content filter.
"""

import base64
import smtplib
import socket
import ssl
import sys
import threading
import time


def parse(spec):
    where, *options = spec.split(",")
    host, _, port = where.rpartition(":")
    settings = dict(option.split("=", 1) for option in options)
    return host.strip("[]"), int(port), settings


class Session:
    seen = {}

    def __init__(self, connection, name, settings):
        self.socket, self.name, self.settings = connection, name, settings
        self.file = connection.makefile("rb")
        self.tls, self.authenticated = False, False
        self.sender, self.recipients = "", []

    def say(self, text):
        time.sleep(float(self.settings.get("slow", 0)))
        self.socket.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")

    def line(self):
        return self.file.readline(8192).decode("latin-1").rstrip("\r\n")

    def start_tls(self):
        certificate, key = self.settings["tls"].split(":")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.file, self.tls = self.socket.makefile("rb"), True

    def hello(self):
        features = [self.name, "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"]
        features.append("SIZE " + self.settings.get("size", "20480000"))
        if "tls" in self.settings and not self.tls:
            features.append("STARTTLS")
        if "auth" in self.settings:
            features.append("AUTH " + self.settings.get("mechs", "PLAIN LOGIN"))
        self.say("\n".join("250%s%s" % ("-" if i < len(features) - 1 else " ", f) for i, f in enumerate(features)))

    def auth(self, words):
        def decode(text):
            return base64.b64decode(text + "==").decode("latin-1")

        if words[1].upper() == "PLAIN":
            if len(words) < 3:
                self.say("334 ")
                words.append(self.line())
            _, user, password = decode(words[2]).split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = decode(self.line())
            self.say("334 UGFzc3dvcmQ6")
            password = decode(self.line())
        self.authenticated = user + ":" + password == self.settings["auth"]
        self.say("235 2.7.0 Welcome" if self.authenticated else "535 5.7.8 Credentials are not accepted")

    def recipient(self, address):
        if "grey" in self.settings:
            key = (self.sender, address)
            first = Session.seen.setdefault(key, time.time())
            if time.time() - first < float(self.settings["grey"]):
                return "450 4.2.0 %s: greylisted, please come back later" % address
        return self.settings.get("rcpt", "250 2.1.5 Ok")

    def message(self):
        self.say(self.settings.get("data", "354 Go ahead"))
        if self.settings.get("data", "354")[0] != "3":
            return
        body = []
        while True:
            text = self.file.readline(1 << 16)
            if text in (b".\r\n", b".\n", b""):
                break
            body.append(text[1:] if text.startswith(b".") else text)
        if "relay" in self.settings:
            host, port, _ = parse(self.settings["relay"])
            with smtplib.SMTP(host, port) as onward:
                onward.sendmail(self.sender, self.recipients, b"".join(body))
        self.say(self.settings.get("end", "250 2.0.0 Ok: queued as PEER%06X" % (int(time.time() * 10) % 0xFFFFFF)))

    def run(self):
        if self.settings.get("mute"):
            while self.socket.recv(4096):
                pass
            return
        if self.settings.get("wrapped"):
            self.start_tls()
        if self.settings.get("cut") == "connect":
            return
        self.say(self.settings.get("banner", "220 %s ESMTP" % self.name))
        while True:
            line = self.line()
            words = line.split()
            if not words:
                return
            verb = words[0].upper()
            if self.settings.get("cut", "").upper() == verb:
                return
            if verb in ("EHLO", "HELO"):
                self.hello()
            elif verb == "STARTTLS":
                self.say("220 2.0.0 Ready")
                self.start_tls()
            elif verb == "AUTH":
                self.auth(words)
            elif verb == "MAIL":
                self.sender, self.recipients = line[line.find("<") + 1 : line.find(">")], []
                if "auth" in self.settings and not self.authenticated:
                    self.say("530 5.7.0 Authentication required")
                else:
                    self.say(self.settings.get("mail", "250 2.1.0 Ok"))
            elif verb == "RCPT":
                address = line[line.find("<") + 1 : line.find(">")]
                self.recipients.append(address)
                self.say(self.recipient(address))
            elif verb == "DATA":
                self.message()
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")


def serve(spec):
    host, port, settings = parse(spec)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(50)
    name = settings.get("name", "peer.example")

    def one(connection):
        try:
            Session(connection, name, settings).run()
        except (OSError, ValueError, smtplib.SMTPException):
            pass
        finally:
            connection.close()

    def loop():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


for argument in sys.argv[1:]:
    serve(argument)
threading.Event().wait()
