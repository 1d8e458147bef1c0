import re
from pathlib import Path

from django.core.files.storage import storages
from django.test import override_settings

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
STATIC = Path(__file__).parents[2] / "static" / "console"


def test_modules_of_production_import_each_other_by_their_hashed_names(tmp_path):
    backend = "coai_admin.console.assets.ModuleStorage"
    with override_settings(
        STATIC_ROOT=str(tmp_path), STORAGES={"staticfiles": {"BACKEND": backend}}
    ):
        storage = storages["staticfiles"]
        paths = {}
        for source in sorted((STATIC / "js").glob("*.js")):
            path = f"console/js/{source.name}"
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            paths[path] = (storage, path)
        failed = [result for *_names, result in storage.post_process(paths) if result is not True]
        assert [one for one in failed if isinstance(one, Exception)] == []
        main = (tmp_path / storage.stored_name("console/js/main.js")).read_text()
    imported = re.findall(r'import "\./([^"]+)";', main)
    assert imported
    assert all(re.fullmatch(r"[\w-]+\.[0-9a-f]{12}\.js", name) for name in imported)
    assert all((tmp_path / "console/js" / name).exists() for name in imported)


def test_main_or_its_page_loads_every_module_that_attaches_itself():
    main = (STATIC / "js" / "main.js").read_text()
    pages = "".join(path.read_text() for path in TEMPLATES.rglob("*.html"))
    reached = set()
    waiting = re.findall(r'"\./([\w-]+\.js)"', main)
    waiting += re.findall(r'"console/js/([\w-]+\.js)"', pages)
    waiting = [name for name in waiting if name != "main.js"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += re.findall(r'"\./([\w-]+\.js)"', (STATIC / "js" / name).read_text())
    assert reached == {path.name for path in (STATIC / "js").glob("*.js")} - {"main.js"}


def test_templates_have_no_inline_style_or_script():
    """But letters: no page, and programs that read mail know no style sheets."""
    offending = []
    for path in (STATIC.parents[1] / "templates").rglob("*.html"):
        if path.parent.name == "mail":
            continue
        text = path.read_text()
        if re.search(r"\sstyle=|\son[a-z]+=\"|<style|<script(?![^>]*\ssrc=)|\shx-on|\bjs:", text):
            offending.append(path.name)
    assert offending == []
