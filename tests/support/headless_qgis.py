"""A QGIS of this machine without a window, with the plugin in a profile of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT, WORKFLOWS

PLUGIN = WORKFLOWS / "qgis" / "geoseg_processing"
PYTHON = Path("/usr/bin/python3")
"""That of the packages of Debian, for which QGIS is built."""
PYQGIS = Path("/usr/lib/python3/dist-packages/qgis")
SESSION = Path(__file__).with_name("qgis_session.py")
_TIMEOUT = 180


def qgis_process() -> str | None:
    """The program; the wrapper of Debian gives it an option that it does not know."""
    return shutil.which("qgis_process.bin") or shutil.which("qgis_process")


def why_not() -> str | None:
    """Why there is no QGIS to test with, None if there is one."""
    if qgis_process() is None:
        return "QGIS is not installed"
    if not PYQGIS.is_dir():
        return "QGIS has no packages for the Python of the system"
    return None


def _clean() -> dict[str, str]:
    """The environment without what leads to the Python of the tests.

    The Python inside of QGIS takes its packages from where ``PATH`` has a ``python3``.
    """
    names = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    others = {name: value for name, value in os.environ.items() if name not in names}
    return others | {"PATH": os.defpath}


@dataclass(frozen=True)
class Qgis:
    """A profile with the plugin, in which algorithms run."""

    folder: Path
    env: Mapping[str, str]

    def run(self, algorithm: str, **parameters: object) -> subprocess.CompletedProcess:
        """Run an algorithm with `qgis_process`."""
        words = [f"--{name}={value}" for name, value in parameters.items()]
        return self._call(qgis_process(), "run", f"geoseg:{algorithm}", *words)

    def session(self, **arguments: object) -> dict:
        """Run the script of the session; what it tells."""
        text = json.dumps(arguments, default=str)
        done = self._call(PYTHON, SESSION, text)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def _call(self, *words: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(word) for word in words], env=dict(self.env), text=True, capture_output=True,
            check=False, timeout=_TIMEOUT,
        )  # fmt: skip


def make_qgis(folder: Path) -> Qgis:
    """Make a profile with the plugin, and a command geoseg of this checkout."""
    plugins = folder / "profiles" / "default" / "python" / "plugins"
    shutil.copytree(PLUGIN, plugins / PLUGIN.name, ignore=shutil.ignore_patterns("__pycache__"))
    command = folder / "geoseg"
    command.write_text(
        "#!/bin/sh\n"
        f"PYTHONPATH='{ROOT}' OMP_NUM_THREADS=1 exec '{sys.executable}' -m geoseg \"$@\"\n"
    )
    command.chmod(0o755)
    (folder / "runtime").mkdir(mode=0o700)
    env = _clean() | {
        "HOME": str(folder), "QGIS_CUSTOM_CONFIG_PATH": str(folder),
        "XDG_RUNTIME_DIR": str(folder / "runtime"), "QT_QPA_PLATFORM": "offscreen",
        "GEOSEG_COMMAND": str(command), "PYTHONPATH": str(plugins),
    }  # fmt: skip
    qgis = Qgis(folder, env)
    enabled = qgis._call(qgis_process(), "plugins", "enable", PLUGIN.name)
    assert "* geoseg_processing" in enabled.stdout, enabled.stderr
    return qgis
