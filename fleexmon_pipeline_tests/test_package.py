"""The built wheel has every file that the code reads, and works in an empty directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", ".fleexmon", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info",
    "fleexmon_pipeline_tests",
)  # fmt: skip

LOOK = """
import json
from importlib.resources import files
import fleexmon_pipeline
from fleexmon_pipeline.definitions import defs
from fleexmon_pipeline.database.migrate import newest_version
from fleexmon_pipeline.detection.rule_files import load_rules
package = files("fleexmon_pipeline")
print(json.dumps({
    "file": fleexmon_pipeline.__file__,
    "assets": sorted(key.to_user_string() for key in defs.resolve_all_asset_keys()),
    "version": newest_version(),
    "rules": [len(load_rules().rules), len(load_rules().problems)],
    "dagster.yaml": (package / "dagster.yaml").read_text(),
}))
"""


def run(*arguments: object, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "DAGSTER"))}
    done = subprocess.run(
        [str(one) for one in arguments], cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release is, from a copy: a build leaves its own files beside the sources."""
    place = tmp_path_factory.mktemp("build here")
    shutil.copytree(PROJECT, place / "copy", ignore=LEFT_OUT, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", place, ".", cwd=place / "copy")
    (built,) = place.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_that_the_code_reads_and_no_test(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()

    sources = [
        str(file.relative_to(PROJECT))
        for file in (PROJECT / "fleexmon_pipeline").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    assert sorted(set(sources) - set(held)) == []
    assert {Path(name).suffix for name in sources} >= {".py", ".sql", ".yaml", ".md", ".j2", ".typed"}
    assert [name for name in held if "tests" in name] == []
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_it_works_where_nothing_else_is(wheel: Path, tmp_path: Path) -> None:
    """The packages it depends on are those of this environment; its own code is the wheel's."""
    environment, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=empty)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=empty)
    libraries = environment / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # A path in a .pth file: what is in there is found, its own .pth files, and so the sources, are not.
    (libraries / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    found = json.loads(run(python, "-c", LOOK, cwd=empty))

    assert Path(found["file"]).is_relative_to(environment)
    assert found["assets"] == [
        "analyzed_logs", "archived_logs", "data_retention", "detected_issues", "digests", "issue_alerts", "predictions",
        "raw_logs",
    ]  # fmt: skip
    assert found["version"] == max(
        file.name[:4] for file in (PROJECT / "fleexmon_pipeline").rglob("migrations/versions/*.sql")
    )
    assert found["rules"] == [len(list((PROJECT / "fleexmon_pipeline" / "rules").glob("*.yaml"))), 0]
    assert found["dagster.yaml"] == (PROJECT / "dagster.yaml").read_text()
    assert "doctor" in run(environment / "bin" / "fleexmon", "--help", cwd=empty)
    assert list(empty.iterdir()) == []
