"""Settings: who beats whom, and one clear line for everything that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zephyrus_exec.config import (
    ChainRules,
    KeySettings,
    KeystoreSettings,
    Limits,
    Settings,
    load_settings,
)
from zephyrus_exec.engine.fees import FeePolicy
from zephyrus_exec.errors import ConfigurationError

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


def written(folder: Path, text: str) -> Path:
    file = folder / "zephyrus.toml"
    file.write_text(text, encoding="utf-8")
    return file


# --- who beats whom


def test_without_any_source_everything_is_the_default() -> None:
    assert load_settings({}, {}) == Settings()
    assert (Settings().host, Settings().port, Settings().store) == (
        "localhost",
        8765,
        "zephyrus.db",
    )


@pytest.mark.parametrize(
    ("name", "flag", "variable", "text", "in_file", "values"),
    [
        ("host", "a", "WS_HOST", "b", '"c"', ("a", "b", "c", "localhost")),
        ("port", "1", "WS_PORT", "2", "3", (1, 2, 3, 8765)),
        ("store", "a.db", "ZEPHYRUS_STORE", "memory:", '"memory:"',
         ("a.db", "memory:", "memory:", "zephyrus.db")),
        ("agents_from", "a", "ZEPHYRUS_AGENTS", "b", '"/c"', ("a", "b", "/c", None)),
        ("agents_chain_id", "1", "ZEPHYRUS_AGENTS_CHAIN_ID", "2", "3", (1, 2, 3, None)),
        ("language", "en", "ZEPHYRUS_LANGUAGE", "en", '"en"', ("en", "en", "en", "es")),
        ("drain_timeout", 1.5, "ZEPHYRUS_DRAIN_TIMEOUT", "2", "3", (1.5, 2.0, 3.0, 8.0)),
        ("keep_executions", "10", "ZEPHYRUS_KEEP_EXECUTIONS", "20", "30", (10, 20, 30, None)),
        ("keep_for", "90d", "ZEPHYRUS_KEEP_FOR", "1.5h", '"30m"',
         (7_776_000.0, 5400.0, 1800.0, None)),
        ("loop", "asyncio", "ZEPHYRUS_LOOP", "uvloop", '"asyncio"',
         ("asyncio", "uvloop", "asyncio", "auto")),
    ],
)  # fmt: skip
def test_flags_beat_the_environment_which_beats_the_file_which_beats_defaults(
    tmp_path: Path,
    name: str,
    flag: object,
    variable: str,
    text: str,
    in_file: str,
    values: tuple[object, ...],
) -> None:
    file = written(tmp_path, f"{name} = {in_file}\n")
    layers: list[tuple[dict[str, object], dict[str, str], Path | None]] = [
        ({name: flag}, {variable: text}, file),
        ({name: None}, {variable: text}, file),
        ({}, {variable: ""}, file),
        ({}, {}, None),
    ]
    found = [load_settings(*layer) for layer in layers]
    assert tuple(getattr(each, name) for each in found) == values
    flag_name = {"agents_from": "--agents"}.get(name, "--" + name.replace("_", "-"))
    assert [each.sources.get(name) for each in found] == [
        flag_name,
        variable,
        f"zephyrus.toml: {name}",
        None,
    ]


def test_the_older_name_of_the_agents_source_is_the_weaker_one_and_no_secret_is_shown() -> None:
    url = "https://user:secret@example.org/api/db"
    settings = load_settings({}, {"DB_API_URL": url})
    assert (settings.agents_from, settings.sources["agents_from"]) == (url, "DB_API_URL")
    assert "secret" not in repr(settings)
    both = load_settings({}, {"DB_API_URL": url, "ZEPHYRUS_AGENTS": "agents.db"})
    assert both.agents_from == "agents.db"


@pytest.mark.parametrize("text", ["", "0", "-1", "one", "1.0", "0x1"])
def test_a_chain_of_agents_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no chain id"):
        load_settings({"agents_chain_id": text}, {})


@pytest.mark.parametrize(
    ("flags", "environ", "host", "port"),
    [
        ({}, {"PORT": "80", "WS_PORT": "81"}, None, 80),
        ({}, {"PORT": "80", "WS_HOST": "localhost"}, "localhost", 80),
        ({"host": "10.0.0.1"}, {"PORT": "80"}, "10.0.0.1", 80),
        ({"port": "0"}, {"PORT": "80"}, "localhost", 0),
        ({}, {"PORT": "", "WS_PORT": "81"}, "localhost", 81),
        ({}, {"WS_HOST": "*"}, None, 8765),
        ({}, {"WS_HOST": "0.0.0.0"}, "0.0.0.0", 8765),
    ],
)
def test_port_beats_ws_port_and_means_all_addresses_unless_a_host_is_named(
    flags: dict[str, object], environ: dict[str, str], host: str | None, port: int
) -> None:
    settings = load_settings(flags, environ)
    assert (settings.host, settings.port) == (host, port)


def test_a_host_in_the_file_keeps_port_from_opening_all_addresses(tmp_path: Path) -> None:
    file = written(tmp_path, 'host = "127.0.0.1"\n')
    assert load_settings({}, {"PORT": "80"}, file).host == "127.0.0.1"


def test_urls_of_a_chain_come_from_the_strongest_source_that_names_it(tmp_path: Path) -> None:
    file = written(
        tmp_path, '[chains]\n1 = "http://f1"\n2 = ["http://f2", "http://f3"]\n3 = "http://f4"\n'
    )
    environ = {"ZEPHYRUS_RPC_2": "http://e2", "ZEPHYRUS_RPC_3": " http://e3 , https://e4:8545/x ,"}
    settings = load_settings({"rpc": ["3=http://g3", "4=http://g4"]}, environ, file)
    assert settings.chains == {
        1: ("http://f1",),
        2: ("http://e2",),
        3: ("http://g3",),
        4: ("http://g4",),
    }
    assert load_settings({}, environ).chains[3] == ("http://e3", "https://e4:8545/x")
    assert load_settings({"rpc": "7=http://g"}, {}).chains == {7: ("http://g",)}


def test_a_chain_may_be_a_table_that_says_how_it_is_treated(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[chains.1]\nrpc = "http://f1"\nconfirmations = 3\nfinality = "safe"\n'
        "bump_after = 12.5\nbump_factor = 1.5\nmax_fee_gwei = 80.5\nstuck_after = 600\n"
        "[chains.2]\nfinality = 20\n"
        '[chains]\n3 = "http://f3"\n',
    )
    settings = load_settings({}, {"ZEPHYRUS_RPC_2": "http://e2"}, file)
    assert settings.chains == {1: ("http://f1",), 2: ("http://e2",), 3: ("http://f3",)}
    fees = FeePolicy(bump_after=12.5, factor=1.5, max_fee_wei=80_500_000_000, stuck_after=600)
    assert settings.chain_rules == {
        1: ChainRules(confirmations=3, finality="safe", fees=fees),
        2: ChainRules(finality=20),
        3: ChainRules(),
    }


def test_what_nobody_asked_for_is_ignored() -> None:
    environ = {"HOME": "/x", "ZEPHYRUS_SERVICE_HOST": "10.0.0.1", "ZEPHYRUS_STROE": "?"}
    assert load_settings({"command": "serve", "json": True}, environ) == Settings()


# --- the file


def test_the_file_sets_limits_agents_and_contracts(tmp_path: Path) -> None:
    text = """
    [limits]
    max_connections = 5

    [[contracts]]
    id = "token"
    address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    chain_id = 57054

    [[agents]]
    id = "reader"
    contract_id = "token"
    functions = [{ name = "totalSupply" }]
    """
    settings = load_settings({}, {}, written(tmp_path, text))
    assert settings.limits == Limits(max_connections=5)
    assert [each.id for each in settings.agents] == ["reader"]
    assert [each.chain_id for each in settings.contracts] == [57054]


def test_paths_in_the_file_start_from_its_folder(tmp_path: Path) -> None:
    assert load_settings({}, {}, written(tmp_path, 'store = "a.db"')).store == str(
        tmp_path / "a.db"
    )
    assert load_settings({}, {}, written(tmp_path, 'store = "memory:"')).store == "memory:"
    settings = load_settings({}, {}, written(tmp_path, 'agents_from = "agents"'))
    assert settings.agents_from == str(tmp_path / "agents")


# --- signers


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "main.json"
    path.write_text("{}")
    return path


def test_a_keystore_comes_with_its_password_from_the_environment(keystore: Path) -> None:
    environ = {
        "ZEPHYRUS_KEYSTORE_MAIN": str(keystore),
        "ZEPHYRUS_KEYSTORE_PASSWORD_MAIN": " s3cret ",
    }
    assert load_settings({}, environ).signers == {"main": KeystoreSettings(keystore, " s3cret ")}


def test_a_password_may_lie_in_a_file_whose_last_line_end_does_not_count(
    keystore: Path, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    environ = {
        "ZEPHYRUS_KEYSTORE_MAIN": str(keystore),
        "ZEPHYRUS_KEYSTORE_PASSWORD_MAIN_FILE": str(tmp_path / "password"),
    }
    assert load_settings({}, environ).signers == {"main": KeystoreSettings(keystore, "s3cret")}


def test_the_file_names_keystore_and_password_file(keystore: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret")
    file = written(tmp_path, '[signers.main]\nkeystore = "main.json"\npassword_file = "password"\n')
    assert load_settings({}, {}, file).signers == {"main": KeystoreSettings(keystore, "s3cret")}
    environ = {"ZEPHYRUS_KEYSTORE_PASSWORD_MAIN": "other"}
    assert load_settings({}, environ, file).signers["main"] == KeystoreSettings(keystore, "other")


@pytest.mark.parametrize("text", [KEY, "0x" + KEY, f" {KEY.upper()}\n"])
def test_a_development_key_comes_from_the_environment(text: str) -> None:
    environ = {"ZEPHYRUS_KEY_DEV_ONE": text}
    assert load_settings({}, environ).signers == {"dev_one": KeySettings("0x" + KEY)}


def test_no_secret_is_shown_by_repr(keystore: Path) -> None:
    environ = {
        "ZEPHYRUS_KEY_DEV": KEY,
        "ZEPHYRUS_KEYSTORE_MAIN": str(keystore),
        "ZEPHYRUS_KEYSTORE_PASSWORD_MAIN": "s3cret",
        "ZEPHYRUS_RPC_1": "https://user:pass@rpc.example/v3/t0ken,http://[::1]:8545",
    }
    shown = repr(load_settings({}, environ))
    assert "rpc.example/…" in shown
    for secret in (KEY, "s3cret", "t0ken", "pass@"):
        assert secret not in shown


# --- what is wrong


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        ({"port": "99999"}, {}, "--port: '99999' is no port; write a number from 1 to 65535"),
        ({"port": "-1"}, {}, "--port: '-1' is no port"),
        ({}, {"WS_PORT": "80a"}, "WS_PORT: '80a' is no port"),
        ({}, {"PORT": "tcp://10.0.0.1:80"}, "PORT: 'tcp://10.0.0.1:80' is no port"),
        ({}, {"WS_HOST": "http://x"}, "WS_HOST: 'http://x' is no host; write a name"),
        ({"host": " "}, {}, "--host: ' ' is no host"),
        ({"store": ":memory:"}, {}, "--store: ':memory:' is ambiguous; did you mean memory:?"),
        ({}, {"ZEPHYRUS_STORE": "memory"}, "ZEPHYRUS_STORE: 'memory' is ambiguous"),
        (
            {},
            {"ZEPHYRUS_STORE": "postgres://me:s3cret@db/x"},
            "ZEPHYRUS_STORE: 'postgres://db/…' is no store; write memory: or the path of a file",
        ),
        ({"store": "  "}, {}, "--store: '…' is no store"),
        ({"language": "fr"}, {}, "--language: 'fr' is no language here; write es or en"),
        ({"drain_timeout": "soon"}, {}, "--drain-timeout: 'soon' is no time; write seconds"),
        ({"drain_timeout": -1}, {}, "--drain-timeout: -1 is no time"),
        ({"keep_executions": "0"}, {}, "--keep-executions: '0' is no number of executions; write"),
        (
            {},
            {"ZEPHYRUS_KEEP_EXECUTIONS": "1.5"},
            "ZEPHYRUS_KEEP_EXECUTIONS: '1.5' is no number of executions",
        ),
        ({"keep_for": "90 days"}, {}, "--keep-for: '90 days' is no time; write 90d, 12h, 30m or"),
        ({}, {"ZEPHYRUS_KEEP_FOR": "-1"}, "ZEPHYRUS_KEEP_FOR: '-1' is no time"),
        ({}, {"ZEPHYRUS_DRAIN_TIMEOUT": "inf"}, "ZEPHYRUS_DRAIN_TIMEOUT: 'inf' is no time"),
        ({"rpc": ["http://x"]}, {}, "--rpc: a chain id is missing; write CHAINID=URL"),
        ({"rpc": ["0=http://x"]}, {}, "--rpc: '0' is no chain id"),
        ({}, {"ZEPHYRUS_RPC_MAIN": "http://x"}, "ZEPHYRUS_RPC_MAIN: 'MAIN' is no chain id"),
        ({}, {"ZEPHYRUS_RPC_1": ","}, "ZEPHYRUS_RPC_1: names no URL"),
        ({}, {"ZEPHYRUS_RPC_1": "ws://h/t0ken"}, "ZEPHYRUS_RPC_1: 'ws://h/…' is no http(s) URL"),
        ({}, {"ZEPHYRUS_RPC_1": "http://"}, "ZEPHYRUS_RPC_1: '…' is no http(s) URL"),
        ({}, {"ZEPHYRUS_RPC_1": "http://h:x"}, "ZEPHYRUS_RPC_1: 'http://h' is no http(s) URL"),
        ({}, {"ZEPHYRUS_RPC_1": "http://[t0ken"}, "ZEPHYRUS_RPC_1: '…' is no http(s) URL"),
        ({}, {"ZEPHYRUS_KEY_": KEY}, "ZEPHYRUS_KEY_: names no signer; write ZEPHYRUS_KEY_MAIN"),
        ({}, {"ZEPHYRUS_KEY_A": "s3cret"}, "ZEPHYRUS_KEY_A: holds no private key"),
        ({}, {"ZEPHYRUS_KEY_A": "0" * 64}, "ZEPHYRUS_KEY_A: holds no private key"),
        (
            {},
            {"ZEPHYRUS_KEY_A": KEY, "ZEPHYRUS_KEYSTORE_A": "x"},
            "ZEPHYRUS_KEY_A: ZEPHYRUS_KEYSTORE_A is set too; keep one of them",
        ),
        (
            {},
            {"ZEPHYRUS_KEYSTORE_A": "/nowhere/a.json"},
            "ZEPHYRUS_KEYSTORE_A: there is no file '/nowhere/a.json'",
        ),
        (
            {},
            {"ZEPHYRUS_KEYSTORE_PASSWORD_A": "s3cret"},
            "ZEPHYRUS_KEYSTORE_A: is not set; write the path of the keystore file",
        ),
    ],
)
def test_a_wrong_flag_or_variable_is_told_in_one_line_without_secrets(
    flags: dict[str, object], environ: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(flags, environ)
    assert caught.value.message.startswith(message)
    assert caught.value.details["source"] == message.partition(":")[0]
    assert "\n" not in caught.value.message
    for secret in ("s3cret", "t0ken", KEY):
        assert secret not in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "zephyrus.toml: there is no field 'prot'; did you mean port?"),
        ('port = "80"', "zephyrus.toml: port: must be"),
        ("port = 65536", "zephyrus.toml: port: 65536 is no port"),
        ('language = "fr"', "zephyrus.toml: language: 'fr' is no language here"),
        ('store = "redis://x"', "zephyrus.toml: store: 'redis://x' is no store"),
        ("[limits]\nmax_conections = 1", "zephyrus.toml: limits: there is no field"),
        ("[limits]\nmax_queued = 0", "zephyrus.toml: limits.max_queued: 0 is too small"),
        ("[chains]\nmain = 'http://x'", "zephyrus.toml: chains.main: 'main' is no chain id"),
        ("[chains]\n1 = 7", "zephyrus.toml: chains.1: is neither a string nor a list"),
        ("[chains]\n1 = [7]", "zephyrus.toml: chains.1: '…' is no http(s) URL"),
        ("[chains.1]\nrcp = 'http://x'", "zephyrus.toml: chains.1: there is no field 'rcp'"),
        ("[chains.1]\nrpc = 7", "zephyrus.toml: chains.1: is neither a string nor a list"),
        ("[chains.x]\nfinality = 7", "zephyrus.toml: chains.x: 'x' is no chain id"),
        ("[chains.1]\nconfirmations = 0", "zephyrus.toml: chains.1.confirmations: 0 is too small"),
        (
            "[chains.1]\nfinality = 'soon'",
            "zephyrus.toml: chains.1.finality: 'soon' is no finality",
        ),
        ("[chains.1]\nfinality = -1", "zephyrus.toml: chains.1.finality: -1 is no finality"),
        ("[chains.1]\nfinality = true", "zephyrus.toml: chains.1.finality: True is no finality"),
        ("[chains.1]\nbump_factor = 1.1", "zephyrus.toml: chains.1.bump_factor: is 1.1"),
        ("[chains.1]\nmax_fee_gwei = 0", "zephyrus.toml: chains.1.max_fee_gwei: is 0"),
        ("[chains.1]\nstuck_after = -1", "zephyrus.toml: chains.1.stuck_after: is -1"),
        ("[signers.Main]", "zephyrus.toml: signers.Main: is no name; write small letters"),
        ("[signers]\nmain = 1", "zephyrus.toml: signers.main: must be an object"),
        ("[signers.a]\nkey = 'x'", "zephyrus.toml: signers.a: there is no field 'key'"),
        (
            "[signers.a]\nkeystore = 'no.json'",
            "zephyrus.toml: signers.a.keystore: there is no file",
        ),
        ("[[agents]]\nname = 'x'", "zephyrus.toml: agents[0].id: is missing"),
        ("port =", "zephyrus.toml: is no TOML: "),
    ],
)
def test_a_wrong_file_is_told_in_one_line_that_names_the_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {}, written(tmp_path, text))
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--config: '.*none\.toml' cannot be read"):
        load_settings({}, {}, tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "zephyrus.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is no TOML"):
        load_settings({}, {}, file)


def test_a_keystore_without_any_password_says_how_to_give_one(keystore: Path) -> None:
    remedy = (
        "ZEPHYRUS_KEYSTORE_PASSWORD_MAIN: is not set; "
        "set it, or ZEPHYRUS_KEYSTORE_PASSWORD_MAIN_FILE to a file that holds it"
    )
    with pytest.raises(ConfigurationError, match=remedy):
        load_settings({}, {"ZEPHYRUS_KEYSTORE_MAIN": str(keystore)})


@pytest.mark.parametrize(("content", "problem"), [(None, "cannot be read"), (b"\xff", "UTF-8")])
def test_a_password_file_nobody_can_read_is_named(
    keystore: Path, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    environ: dict[str, Any] = {
        "ZEPHYRUS_KEYSTORE_MAIN": str(keystore),
        "ZEPHYRUS_KEYSTORE_PASSWORD_MAIN_FILE": str(path),
    }
    with pytest.raises(ConfigurationError, match=f"PASSWORD_MAIN_FILE: .*{problem}"):
        load_settings({}, environ)
