"""Environments of the peers: a venv for each, apart from the one that geoseg runs in."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
LOCKS = (HERE.parent / "requirements.lock", HERE / "peers.lock")
NETWORK = (f"torch=={version('torch')}", "safetensors", "rasterio")
"""What a script needs for the network of geoseg: the same build of torch, and the model file."""
PACKAGES = {
    "plain": NETWORK,
    "monai": (*NETWORK, "monai"),
    "geodeep": ("geodeep",),
}
"""Packages of each environment; their versions are those of `LOCKS`."""


def make_environment(name: str, folder: Path) -> Path:
    """Make the environment of a peer, or find it made before from the same packages and locks.

    Returns:
        Its folder of programs, such as ``python``.

    Raises:
        subprocess.CalledProcessError: if a package cannot be installed; the log beside the
            environment says why.
    """
    home, log = folder / name, folder / f"{name}.log"
    wanted = "\n".join([sys.version, *PACKAGES[name], *(lock.read_text() for lock in LOCKS)])
    installed = home / "installed.txt"
    if not (installed.exists() and installed.read_text() == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        constraints = [part for lock in LOCKS for part in ("-c", str(lock))]
        pip = [home / "bin/python", "-m", "pip", "install", "--disable-pip-version-check"]
        with log.open("wb") as out:
            for command in (
                [sys.executable, "-m", "venv", "--clear", home],
                [*pip, *constraints, *PACKAGES[name]],
            ):
                print(f"{name}: {' '.join(map(str, command[1:4]))} ...", file=sys.stderr)
                subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=True)
        installed.write_text(wanted)
    return home / "bin"


def versions(python: Path | str, packages: tuple[str, ...]) -> str:
    """Names and versions of those of the packages that an environment has."""
    code = (
        "import sys; from importlib.metadata import distributions\n"
        "has = {item.name: item.version for item in distributions()}\n"
        "print(', '.join(f'{name} {has[name]}' for name in sys.argv[1:] if name in has))"
    )
    command = [str(python), "-c", code, *packages]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
