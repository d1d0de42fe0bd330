"""What is the same in every dbt that tests run, done once in the process that they are forked from.

Libraries are imported, and a sample project is parsed on each engine: that leaves the parsed macros in the
caches that dbt has for its own tests, the compiled ones in its cache of templates, and the classes of its
artifacts with the code they generate for themselves. All of it is a function of a source text or of a class,
never of a project; tests/unit/test_dbt_process.py compares what dbt writes with and without.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

REPO = Path(__file__).resolve().parents[1]
# Of our package only the adapter, which dbt finds by itself: the rest is what a dbt's PYTHONPATH holds.
LIBRARIES = [
    "agate", "dbt.adapters.duckdb", "dbt.adapters.pgvector", "dbt.adapters.postgres", "dbt.cli.main",
    "dbt.task.build", "dbt.task.show", "numpy", "psycopg2.extras", "pyarrow.compute", "scipy.sparse",
    "sklearn.feature_extraction.text", "sqlparse.engine",
]  # fmt: skip

# JSON is YAML. Parsing opens no connection, so the server does not exist.
OUTPUTS = {
    "duckdb": {"type": "duckdb", "path": "none.duckdb", "schema": "main"},
    "pgvector": {
        "type": "pgvector", "host": "/none", "port": 1, "user": "none", "password": "none",
        "dbname": "none", "schema": "main",
    },
}  # fmt: skip
TESTED = {"name": "id", "description": "a key", "data_tests": ["unique", "not_null"]}
SAMPLE = {
    "dbt_project.yml": json.dumps({
        "name": "sample", "version": "1.0.0", "config-version": 2, "profile": "sample",
        "flags": {"send_anonymous_usage_stats": False},
        "vars": {"samespace_models": {
            "sample": {"provider": "hashing", "model": "char-ngrams", "dimension": 64},
        }},
    }),
    "packages.yml": json.dumps({"packages": [{"local": str(REPO)}]}),
    "profiles.yml": json.dumps({"sample": {"target": "duckdb", "outputs": OUTPUTS}}),
    "models/sample.sql": "{{ config(materialized='embedding', model='sample', key='id', text='body') }}\n"
    "select id, body from {{ ref('rows') }}",
    "models/sample.yml": json.dumps({
        "models": [{"name": "sample", "description": "a model", "columns": [TESTED]}],
        "sources": [{"name": "outside", "tables": [{"name": "things"}]}],
    }),
    "seeds/rows.csv": "id,body\n1,a text\n",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all')"
    " }}select * from {{ ref('rows') }}{% endsnapshot %}",
    "tests/none.sql": "select * from {{ ref('sample') }} where id is null",
    "macros/sample.sql": "{% macro sample() %}{% endmacro %}",
}  # fmt: skip


def prepare() -> None:
    for module in LIBRARIES:
        __import__(module)
    write_json_at_once()
    with tempfile.TemporaryDirectory(prefix="samespace-ahead-") as folder:
        _write_sample(Path(folder))
        for target in OUTPUTS:
            # The second time the manifest is read from the file that the first has left.
            for _ in range(2):
                _parse(Path(folder), target)
    _forget()


def _write_sample(root: Path) -> None:
    for name, text in SAMPLE.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / "dbt_packages").mkdir()
    (root / "dbt_packages" / "samespace").symlink_to(REPO, target_is_directory=True)


def _parse(root: Path, target: str) -> None:
    from dbt.cli.main import dbtRunner
    from dbt_common.clients.jinja import template_cache
    from dbt_common.tests import enable_test_caching

    enable_test_caching()
    # The static parser has threads, which children would wait for in vain.
    flags = ["--quiet", "--no-static-parser", "--log-level-file", "none"]
    folders = ["--project-dir", str(root), "--profiles-dir", str(root)]
    done = dbtRunner().invoke([*flags, "parse", "--target", target, *folders])
    if not done.success:
        raise RuntimeError(f"the sample project does not parse on {target}: {done.exception}")
    manifest: Any = done.result
    for macro in manifest.macros.values():
        template_cache.get_node_template(macro)


def write_json_at_once() -> None:
    """The same bytes of manifest.json and run_results.json by the C encoder, which json.dump does not use."""
    from dbt_common.clients import system

    def dump(data: Any, file: Any, **options: Any) -> None:
        file.write(json.dumps(data, **options))

    system.json = SimpleNamespace(**{**vars(json), "dump": dump})


def look_for_secrets_once() -> None:
    """dbt reads its whole environment for each exception, and a dispatch makes up to three of them."""
    from dbt_common.exceptions import base

    secrets = base.env_secrets()
    base.env_secrets = lambda: secrets


def _forget() -> None:
    """What the runs above have left that belongs to a project."""
    from dbt.adapters.factory import reset_adapters
    from dbt_common.events.event_manager_client import cleanup_event_logger

    reset_adapters()
    cleanup_event_logger()
