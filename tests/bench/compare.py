"""Runs commands in turn and prints wall seconds (median), ratio to the first of the pair, peak memory."""
import os
import shutil
import statistics
import sys
import time

runs, binary, log = int(sys.argv[1]), sys.argv[2], sys.argv[3]
WORDS = "(warning|error|fatal|panic):"
PEERS = [
    ("rg -c", "plain", ["rg", "-c", WORDS, log]),
    ("grep -E", "plain", ["grep", "-cE", WORDS, log]),
    ("pflogsumm", "plain", ["pflogsumm", log]),
    ("postdoctor logs", "plain", [binary, "logs", log]),
    ("zcat | rg -c", "gz", ["sh", "-c", f"zcat {log}.gz | rg -c '{WORDS}'"]),
    ("postdoctor logs", "gz", [binary, "logs", log + ".gz"]),
]


def run(argv):
    """Wall seconds and peak memory in MB of the largest process."""
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDWR)
        # A file, not the null device: grep would stop at the first match there.
        out = os.open(log + ".out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for fd, to in ((0, null), (1, out), (2, null)):
            os.dup2(to, fd)
        os.execvp(argv[0], argv)
    _, _, usage = os.wait4(pid, 0)
    return time.monotonic() - start, usage.ru_maxrss / 1024


peers = [p for p in PEERS if shutil.which(p[2][0])]
# The slow one is not worth five runs.
times = {i: [] for i in range(len(peers))}
for turn in range(runs + 1):
    for i, (name, _, argv) in enumerate(peers):
        if name == "pflogsumm" and turn > 0:
            continue
        result = run(argv)
        # The first turn warms the cache; it counts for what runs only once.
        if turn > 0 or name == "pflogsumm":
            times[i].append(result)
size = os.path.getsize(log) / 1e9
print(f"{size:.2f} GB, {os.cpu_count()} processors, medians of {runs} runs in turn")
print(f"{'':18} {'log':6} {'seconds':>8} {'ratio':>7} {'peak MB':>8}")
base = {}
for i, (name, kind, _) in enumerate(peers):
    seconds = statistics.median(t for t, _ in times[i])
    base.setdefault(kind, seconds)
    print(f"{name:18} {kind:6} {seconds:8.3f} {seconds / base[kind]:7.2f} {max(m for _, m in times[i]):8.0f}")
