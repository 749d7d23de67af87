"""The read benchmark: vecferry beside the owning library, in turns, in one run; prints ratios.

vecferry reads as `migrate --dry-run --embed reuse` does: detection, every record with documents, metadata and vectors
through the plugin and the engine, ids made and checked; nothing is written. The peer loads the store with its own
library and touches every record once. Both are whole processes: start-up counts.

usage: read.py --bin VECFERRY --stores FOLDER [--runs N]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = [
    ("langchain", "LangChain FAISS 100,000 x 384 with documents", "FAISS.load_local + iterate"),
    ("chroma", "Chroma 50,000 x 384 with documents", "collection.get by pages"),
    ("flat", "FAISS Flat 100,000 x 384", "read_index + reconstruct_n"),
]


def measure(command):
    start = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode(errors='replace')}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--stores", required=True)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'store':<46} {'':<10} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9}")
    for name, title, peer in CASES:
        folder = os.path.join(arguments.stores, name)
        ours = [arguments.bin, "migrate", folder, "--to", "jsonl:unused", "--embed", "reuse", "--dry-run"]
        theirs = [sys.executable, os.path.join(HERE, "peers.py"), name, folder]
        measure(ours), measure(theirs)  # the page cache is warm for both
        pairs = [(measure(ours), measure(theirs)) for _ in range(arguments.runs)]
        median = lambda side, figure: statistics.median(pair[side][figure] for pair in pairs)
        for side, label in ((0, "vecferry"), (1, "peer")):
            row = [median(side, figure) for figure in range(3)]
            print(f"{title if side == 0 else '  ' + peer:<46} {label:<10} {row[0]:>8.2f} {row[1]:>8.2f} {row[2]:>9.0f}")
        ratio = statistics.median(theirs[0] / ours[0] for ours, theirs in pairs)
        memory = median(1, 2) / median(0, 2)
        print(f"{'':<46} {'ratio':<10} {ratio:>7.1f}x faster, {memory:.1f}x less memory")


main()
