"""Scenes behind a network: the same map as from a local file, and what breaks said in words."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from geoseg.classification import ClassifySettings, Execution, classify
from geoseg.errors import ChunkError, GeosegError, RemoteError, RunError, SceneError, redact
from geoseg.legend import Legend
from geoseg.model import Model, UNetSpec, make_network
from geoseg.raster import is_remote, open_scene
from geoseg.raster.datasets import raster_error
from geoseg.raster.remote import clear_vsi_cache, rasterio_private, remote_etag
from tests.support.clusters import wait_for
from tests.support.commands import geoseg
from tests.support.products import write_stac_item
from tests.support.rasters import blocks, write_raster
from tests.support.servers import web

SETTINGS = ClassifySettings(overlap=8)
LISTENS = re.compile(r"Running on http://(\S+)")
KEYS = {"AWS_ACCESS_KEY_ID": "open-sesame", "AWS_SECRET_ACCESS_KEY": "verysecretkey"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """600 x 1100 px in blocks: six chunks of 512 px."""
    folder = tmp_path_factory.mktemp("www")
    return write_raster(
        folder / "scene.tif", blocks(600, 2000), tiled=True, blockxsize=256, blockysize=256,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain(scene, model, tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("plain") / "map.tif"
    classify(scene, out, model=model, settings=SETTINGS, execution=Execution(chunk=512))
    return out.read_bytes()


@pytest.fixture
def server(scene, monkeypatch, tmp_path_factory):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.05")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "3")
    with web(scene.parent, tmp_path_factory.mktemp("control") / "control.json") as state:
        yield state


def mapped(address: str, folder: Path, model: Path) -> bytes:
    out = folder / "map.tif"
    classify(
        address, out, model=model, settings=SETTINGS, execution=Execution(chunk=512), workers=1
    )
    return out.read_bytes()


@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("https://host/a.tif", True), ("s3://bucket/a.tif", True), ("/vsicurl/http://h/a", True),
        ("/vsis3/bucket/a.tif", True), ("zip+https://host/a.zip!b.tif", True),
        ("/vsizip//vsicurl/https://host/a.zip/b.tif", True), ("oss://bucket/a.tif", True),
        ("/vsizip/{/vsis3/bucket/a.zip}/b.tif", True), ("/vsitar/vsigs/a.tar/b.tif", True),
        ("/vsizip//data/vsicurl/a.zip/b.tif", False), ("/data/a.tif", False),
        ("file:///data/a.tif", False), ("a.tif", False), ("/vsizip/a.zip/b.tif", False),
        ("C:/a.tif", False),
    ],
)  # fmt: skip
def test_remote_paths_are_known(path, remote):
    assert is_remote(path) == remote


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:word@host/a.tif is gone", "https://host/a.tif is gone"),
        ("(s3://b/k?X-Amz-Signature=abc), try", "(s3://b/k?...), try"),
        ("/vsicurl?header.Authorization=Bearer%20x&url=h: 403", "/vsicurl?...: 403"),
        ("is it there? yes, a@b.c", "is it there? yes, a@b.c"),
    ],
)
def test_credentials_are_taken_out_of_text(text, shown):
    assert redact(text) == shown
    assert str(GeosegError(text)) == shown


@pytest.mark.parametrize("form", ["{}/scene.tif", "/vsicurl/{}/scene.tif"])
def test_a_scene_on_a_web_server_gives_the_same_map(form, server, model, plain, tmp_path):
    assert mapped(form.format(server.address), tmp_path, model) == plain


def test_a_stac_item_on_a_web_server_gives_the_map_of_its_files(server, scene, tmp_path):
    item = write_stac_item(scene.parent, size=6000)
    torch.manual_seed(1)
    network = make_network(UNetSpec(classes=3, width=4, depth=2, window=32, high=(0.4,)))
    bands = ("red", "swir16", "nir")  # of 10 and 20 m
    model = tmp_path / "model.safetensors"
    Model(network, Legend.from_names(["a", "b", "c"]), bands, dtype="float32").save(model)
    (tmp_path / "remote").mkdir()
    remote = mapped(f"{server.address}/{item.name}", tmp_path / "remote", model)
    assert remote == mapped(item, tmp_path, model)
    with rasterio.open(tmp_path / "map.tif") as labels:
        assert labels.shape == (600, 600)
        assert len(np.unique(labels.read())) > 1


def test_a_server_that_stumbles_is_asked_again(server, model, plain, tmp_path):
    server.tell(fail_every=4)
    assert mapped(f"{server.address}/scene.tif", tmp_path, model) == plain


def test_a_link_that_breaks_is_said_and_the_run_resumes(server, model, plain, tmp_path):
    address = f"{server.address}/scene.tif?signature=abc123"
    parts = tmp_path / "map.tif.parts"
    server.tell(fail_when=str(parts))
    with pytest.raises(ChunkError, match=r"chunk at rows .* the link or the server") as caught:
        mapped(address, tmp_path, model)
    assert caught.value.retryable
    assert "abc123" not in str(caught.value)
    assert list(parts.glob("part-*.safetensors"))
    server.tell()
    assert mapped(address.replace("abc", "xyz"), tmp_path, model) == plain
    assert "abc" not in json.loads((tmp_path / "map.json").read_text())["scene"]["path"]


def test_a_scene_that_was_replaced_on_its_server_is_another_run(server, model, tmp_path):
    first = Execution(chunk=512, shard=(1, 2))
    classify(
        f"{server.address}/scene.tif", tmp_path / "map.tif", model=model, settings=SETTINGS,
        execution=first,
    )  # fmt: skip
    assert open_scene(f"{server.address}/scene.tif").version == '"one"'
    server.tell(tag='"two"')
    clear_vsi_cache(f"{server.address}/scene.tif")
    with pytest.raises(RunError, match=r"not the same: scene \(version\)"):
        mapped(f"{server.address}/scene.tif", tmp_path, model)


def test_a_private_name_that_rasterio_does_not_have_is_none():
    assert rasterio_private("_path", "_vsi_path") is not None
    assert rasterio_private("_path", "no_such_name") is None
    assert rasterio_private("_no_such_module", "_vsi_path") is None


@pytest.mark.parametrize("module", ["_path", "_base"])
def test_a_rasterio_without_the_private_modules_reads_remote_scenes_without_a_version(
    module, server, model, plain, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, f"rasterio.{module}", None)
    address = f"{server.address}/scene.tif"
    clear_vsi_cache(address)
    assert remote_etag(address) is None
    assert open_scene(address).version is None
    assert mapped(address, tmp_path, model) == plain


def test_what_is_not_there_or_forbidden_is_not_called_a_broken_link(server):
    with pytest.raises(SceneError, match=r"no\.tif.*check the address") as caught:
        open_scene(f"{server.address}/no.tif")
    assert not isinstance(caught.value, RemoteError)
    server.tell(token="secret")
    with pytest.raises(SceneError, match=r"other\.tif.*your credentials") as caught:
        open_scene(f"{server.address}/other.tif?sig=abc")
    assert not isinstance(caught.value, RemoteError)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ("Request for 590328-983543 failed with response_code=503", True),
        ("HTTP response code: 429", True),
        ("TIFFReadEncodedTile:Read error at row 404, col 403", True),
        ("HTTP response code: 404", False),
        ("Request for 0-16383 failed with response_code=403", False),
        ("HTTP response code: 410", False),
        ("Please reduce your request rate", True),
        ("Access Denied", False),
        ("The request signature we calculated does not match the signature you provided", False),
        ("The provided token has expired", False),
    ],
)
def test_only_the_servers_answer_says_whether_to_try_again(said, again):
    path = "http://host:40403/401/404.tif"
    error = raster_error(
        path, f"cannot read {path} at rows 404-1023, columns 403-914 ({said})", "-"
    )
    assert isinstance(error, RemoteError) == again


def test_a_server_that_is_down_is_a_broken_link():
    with pytest.raises(RemoteError, match="the link or the server may be down"):
        open_scene("http://127.0.0.1:1/scene.tif")


def written(folder: Path) -> str:
    """All that a run left, as text."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return "".join(p.read_bytes().decode("latin1") for p in files)


@pytest.mark.slow
def test_a_token_in_the_environment_opens_the_door_and_is_shown_nowhere(
    server, model, plain, tmp_path
):
    server.tell(token="verysecrettoken")
    headers = tmp_path / "headers.txt"
    headers.write_text("Authorization: Bearer verysecrettoken\n")
    (tmp_path / "out").mkdir()
    common = ("--model", model, "--overlap", 8, "--chunk", 512, "--out", tmp_path / "out/map.tif")
    command = ("classify", f"{server.address}/scene.tif", *common, "-v")
    env = {**os.environ, "GDAL_HTTP_HEADER_FILE": str(headers)}
    for more in (("--shard", "1/2"), ()):
        done = geoseg(*command, *more, env=env)
        assert done.returncode == 0, done.stderr
        assert "verysecret" not in done.stderr + done.stdout + written(tmp_path / "out")
    assert (tmp_path / "out" / "map.tif").read_bytes() == plain


UPLOAD = """
import sys, boto3
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
s3.create_bucket(Bucket="bucket")
s3.upload_file(sys.argv[2], "bucket", "scene.tif")
"""


def clean() -> dict[str, str]:
    """The environment without proxies, and without this checkout in Python's way."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name != "PYTHONPATH"
    }


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """An S3 server: Python with boto3, and the address.

    It is moto's, which needs other versions than geoseg and so its own environment, where
    GEOSEG_MOTO is the program; see .ci/run.
    """
    program = os.environ.get("GEOSEG_MOTO") or shutil.which("moto_server")
    if program is None:
        pytest.skip("no S3 server: pip install -r .ci/moto.lock elsewhere, set GEOSEG_MOTO")
    text = tmp_path_factory.mktemp("s3") / "log"
    with text.open("w") as log:
        process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", "0"], stdout=log, stderr=log, env=clean()
        )
    try:
        wait_for(lambda: LISTENS.search(text.read_text()))
        yield Path(program).with_name("python"), LISTENS.search(text.read_text())[1]
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_a_scene_in_an_s3_bucket_gives_the_same_map(s3, scene, model, plain, tmp_path):
    python, address = s3
    environment = clean() | KEYS
    put = subprocess.run(
        [python, "-c", UPLOAD, f"http://{address}", scene], env=environment, timeout=60,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert put.returncode == 0, put.stderr
    env = environment | {"AWS_S3_ENDPOINT": address, "AWS_HTTPS": "NO"}
    env |= {"AWS_VIRTUAL_HOSTING": "FALSE", "PYTHONPATH": str(Path(__file__).parents[2])}
    for path in ("s3://bucket/scene.tif", "/vsis3/bucket/scene.tif"):
        out = tmp_path / "map.tif"
        done = geoseg(
            "classify", path, "--model", model, "--overlap", 8, "--chunk", 512, "--out", out, "-vf",
            env=env,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert out.read_bytes() == plain
        assert json.loads((tmp_path / "map.json").read_text())["scene"]["version"]
        output = done.stderr + done.stdout + written(tmp_path)
        assert not any(secret in output for secret in KEYS.values())
