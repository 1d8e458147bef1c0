"""How static files are kept in production."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):
    """Files named by their content, and our ES modules import each other by those names.

    Otherwise a browser could mix the modules of two releases. Django's own switch for this
    (support_js_module_import_aggregation) also reads the files of others and fails on theirs.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        (
            "console/js/*.js",
            ((r'(?P<matched>(?P<word>import|from) "(?P<url>\./[^"]+)";)', '%(word)s "%(url)s";'),),
        ),
    )
