"""A pytest plugin, loaded before the settings: each worker has a Valkey database of its own."""

import os
import re

worker = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
if worker and "REDIS_URL" in os.environ:
    server = os.environ["REDIS_URL"].rpartition("/")[0]
    os.environ["REDIS_URL"] = f"{server}/{int(worker[1]) + 1}"
