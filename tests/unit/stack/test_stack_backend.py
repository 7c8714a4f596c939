"""The second OTLP backend of `.env`: half of one is refused in one line that names key and fix."""

import json
import stat
from pathlib import Path

import pytest
import yaml

from stack.errors import Fault
from stack.receivers import backend
from stack.settings import Settings
from tests.conftest import REPO
from tests.unit.receiving import settings_of
from tests.unit.stack.test_compose import project

URL = "https://otlp.example.org:4318/base"
UNLIKELY = "hunter2-must-not-be-shown"
SHIPPED = yaml.safe_load((REPO / "otel-collector" / "collector.yaml").read_text())
SECOND = yaml.safe_load((REPO / "otel-collector" / "second-otlp.yaml").read_text())


def headers(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "headers"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def named(folder: Path, **values: str) -> backend.Backend:
    found = backend.chosen(settings_of(folder, **values))
    assert found
    return found


def refusal(folder: Path, **values: str) -> str:
    with pytest.raises(Fault) as caught:
        backend.chosen(settings_of(folder, **values))
    line = str(caught.value)
    assert "\n" not in line and UNLIKELY not in line
    return line


def test_nothing_set_is_nobody(tmp_path: Path) -> None:
    empty = dict.fromkeys((backend.ENDPOINT, backend.HEADERS, backend.CA), "")
    for settings in (settings_of(tmp_path), settings_of(tmp_path, **empty)):
        assert backend.chosen(settings) is None
        assert json.loads(backend.write(settings, None).read_text()) == {}
        given = backend.variables(settings, None)
        assert given["SECOND_CONFIG"] == "second.yaml" and not given[backend.ENDPOINT]


def test_endpoint_headers_and_ca_reach_the_collector(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes("# Société\n-----BEGIN CERTIFICATE-----\n".encode("latin-1"))
    file = headers(tmp_path, f"Authorization: Bearer {UNLIKELY}\n\nx-token:a:b$c\n")
    given = {backend.ENDPOINT: f"{URL}/", backend.HEADERS: file, backend.CA: str(ca)}
    settings, found = settings_of(tmp_path, **given), named(tmp_path, **given)
    assert (found.endpoint, found.shown, found.ca) == (URL, "otlp.example.org:4318", ca)
    assert UNLIKELY not in repr(found)
    written = backend.write(settings, found)
    assert (written.parent / "otlp_ca").read_bytes() == ca.read_bytes()
    held = {"authorization": f"Bearer {UNLIKELY}", "x-token": "a:b$$c"}
    assert json.loads(written.read_text()) == held
    assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700
    variables = backend.variables(settings, found)
    assert variables["SECOND_CONFIG"] == "second-otlp.yaml"
    assert variables["SECOND_HEADERS"] == str(written) and UNLIKELY not in repr(variables)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"https://user:{UNLIKELY}@otlp.example.org", "not understood"),
        (f"https://otlp.example.org/?key={UNLIKELY}", "not understood"),
        (UNLIKELY, "not understood"),
        ("otlp.example.org:4317", "not understood"),
        ("https://otlp.example.org:0", "not understood"),
        ("https://otlp.example.org:99999", "not understood"),
        ("https://otlp.example.org/\nx", "not understood"),
        ("https://otlp.example.org/${env:HOME}", "not understood"),
        ("https://otlp.example.org/v1/traces", "one signal"),
        ("http://otlp.example.org", "anybody on the way"),
        ("http://127.0.0.1:4318", "our own Collector"),
        ("https://localhost:4317", "our own Collector"),
        ("http://otel-collector:4318", "our own Collector"),
        ("http://0.0.0.0:4318", "our own Collector"),
        ("http://[::]:4318", "our own Collector"),
        ("http://[::ffff:127.0.0.1]:4318", "our own Collector"),
        ("http://localhost.:4318", "our own Collector"),
    ],
)
def test_an_endpoint_of_no_use_is_refused(tmp_path: Path, url: str, said: str) -> None:
    line = refusal(tmp_path, **{backend.ENDPOINT: url})
    assert backend.ENDPOINT in line and said in line


def test_without_tls_only_where_it_is_asked_for(tmp_path: Path) -> None:
    plain = {backend.ENDPOINT: "http://collector.internal:4318"}
    for wish in ("", "0"):
        assert f"{backend.INSECURE}=1" in refusal(tmp_path, **plain, **{backend.INSECURE: wish})
    assert named(tmp_path, **plain, **{backend.INSECURE: "1"}).endpoint == plain[backend.ENDPOINT]
    assert backend.INSECURE in refusal(tmp_path, **plain, **{backend.INSECURE: "yes"})


@pytest.mark.parametrize("key", [backend.HEADERS, backend.CA])
def test_what_belongs_to_an_endpoint_needs_one(tmp_path: Path, key: str) -> None:
    line = refusal(tmp_path, **{key: headers(tmp_path, "a: b")})
    assert key in line and backend.ENDPOINT in line


@pytest.mark.parametrize(
    "text",
    [
        "", UNLIKELY, f"a: {UNLIKELY}\na: twice", f"a b: {UNLIKELY}", f"a: {UNLIKELY}\x7f",
        f"a: {UNLIKELY}\nb", "a:", f"a: é{UNLIKELY}", f": {UNLIKELY}",
    ],
)  # fmt: skip
def test_headers_of_no_use_are_refused_unseen(tmp_path: Path, text: str) -> None:
    file = headers(tmp_path, text)
    assert backend.HEADERS in refusal(tmp_path, **{backend.ENDPOINT: URL, backend.HEADERS: file})


def test_files_that_anybody_reads_or_nobody_has_are_refused(tmp_path: Path) -> None:
    endpoint = {backend.ENDPOINT: URL}
    file = headers(tmp_path, f"a: {UNLIKELY}", 0o644)
    assert "chmod 600" in refusal(tmp_path, **endpoint, **{backend.HEADERS: file})
    # Who takes the key for the secret's own has put the secret there.
    assert backend.HEADERS in refusal(tmp_path, **endpoint, **{backend.HEADERS: UNLIKELY})
    nowhere = str(tmp_path / "nowhere")
    assert backend.CA in refusal(tmp_path, **endpoint, **{backend.CA: nowhere})
    assert backend.CA in refusal(tmp_path, **endpoint, **{backend.CA: file})


def test_nothing_of_ours_is_changed_by_it() -> None:
    for kind in ("processors", "exporters"):
        assert not SHIPPED[kind].keys() & SECOND[kind].keys()
    pipelines = SECOND["service"].pop("pipelines")
    assert not SECOND["service"] and not SHIPPED["service"]["pipelines"].keys() & pipelines.keys()
    for name, pipeline in pipelines.items():
        assert pipeline["exporters"] == ["otlp_http/second"]
        # Behind it no error comes back; before it stands only what refuses ours as well.
        assert pipeline["processors"][:2] == ["memory_limiter", "batch/second"]
        content = name.startswith(("traces", "logs"))
        assert ("transform/no_content" in pipeline["processors"]) == content
    exporter = SECOND["exporters"]["otlp_http/second"]
    assert exporter["sending_queue"]["storage"] == "file_storage"
    assert "block_on_overflow" not in exporter["sending_queue"]
    assert exporter["headers"] == "${file:${env:SECOND_HEADERS}}"


@pytest.mark.parametrize(
    ("url", "file"), [("", "second.yaml"), (URL, "second-otlp.yaml")], ids=["off", "on"]
)
def test_compose_reads_the_file_that_the_native_way_reads(
    tmp_path: Path, url: str, file: str
) -> None:
    collector = project("cpu", more=((backend.ENDPOINT, url),))["services"]["otel-collector"]
    mounts = {each["target"]: each["source"] for each in collector["volumes"]}
    assert mounts["/etc/otelcol"] == str(REPO / "otel-collector")
    assert collector["command"][1] == f"--config=/etc/otelcol/{file}"
    environment = collector["environment"]
    assert environment[backend.ENDPOINT] == url
    assert environment["SECOND_HEADERS"] == "/run/secrets/otlp_headers"
    settings: Settings = settings_of(tmp_path, **{backend.ENDPOINT: url})
    native = backend.variables(settings, backend.chosen(settings))
    assert native["SECOND_CONFIG"] == file
