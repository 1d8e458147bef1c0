import subprocess
import sys


def test_web_process_has_loaded_every_page_and_leaves_it_to_no_collection():
    program = """
import gc, sys
import coai_admin.wsgi
assert "users.views.users" in sys.modules
assert gc.get_freeze_count() > 100_000, gc.get_freeze_count()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
