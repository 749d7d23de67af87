"""A Chroma server for the tests: `chroma run` in a folder of its own, on a free port of this machine; says where it is,
ends with its input."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

START_SECONDS = 120

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
folder = tempfile.mkdtemp(prefix="vecferry-chroma-")
chroma = os.path.join(os.path.dirname(sys.executable), "chroma")
command = [chroma, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
log = open(os.path.join(folder, "log"), "w")
server = subprocess.Popen(
    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "ANONYMIZED_TELEMETRY": "False"}
)
# A proxy that the environment names has no business here.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers():
    try:
        with direct.open(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


try:
    end = time.monotonic() + START_SECONDS
    while not answers():
        if server.poll() is not None or time.monotonic() > end:
            sys.exit("chroma did not start:\n" + open(log.name).read())
        time.sleep(0.05)
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    # The test's process holds the other end; it closes when that ends, however it ends.
    sys.stdin.read()
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)
