"""What pages load."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from joulemark.collector.web.assets import TYPES, assets
from tests.collector.api.conftest import Api


def test_what_is_vendored_has_the_bytes_that_were_published() -> None:
    """Each file of others has the SHA-384 that `vendored.toml` names, and its licence stands beside it."""
    known = assets()
    for name, told in known.integrity.items():
        assert told == f"sha384-{base64.b64encode(hashlib.sha384(known.files[name]).digest()).decode()}", name
    folder = resources.files("joulemark.collector.web") / "vendored"
    scripts = {file.name for file in folder.iterdir() if file.name.endswith(tuple(TYPES))}
    assert scripts == set(known.integrity)
    assert "MIT" in (folder / "uPlot.LICENSE").read_text()


def test_a_file_is_kept_for_ever_under_its_version_alone(api: Api) -> None:
    """Every file is served with its type and may be cached for ever; under another version there is none."""
    for name, data in assets().files.items():
        answer = api.get(assets().url(name))
        assert answer.content == data
        assert answer.headers["content-type"] == TYPES[name[name.rindex(".") :]]
        assert "immutable" in answer.headers["cache-control"]
    assert api.get("/assets/0123456789abcdef/house.css").status_code == 404
    assert api.get(assets().url("house.css") + "x").status_code == 404


def test_nothing_of_ours_names_an_address_elsewhere() -> None:
    """No style or script of ours loads anything over the network: the only addresses are names of XML."""
    for name, data in assets().files.items():
        if name not in assets().integrity:
            rest = data.decode().replace("http://www.w3.org/2000/svg", "")
            assert "//" not in rest.replace("// ", ""), name
            assert "http" not in rest, name
