"""The REST API of deployed systems, as a live repository, however it answers."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.zephyrus import DEPOSIT, OWNER, ROWLESS, TOKEN, TRANSFER, make_database
from tests.zephyrus_api import (
    BASE,
    Answer,
    FakeApi,
    answers,
    cuts_off,
    hangs_up,
    never_answers,
    redirects_to,
    stalls,
)
from zephyrus_exec import ExecutionEngine, MemoryStore
from zephyrus_exec.errors import (
    AgentNotFound,
    ConfigurationError,
    ContractNotFound,
    InvalidDefinition,
    RepositoryError,
    RepositoryUnavailable,
)
from zephyrus_exec.model import Agent, Component, Contract, FunctionType, Json
from zephyrus_exec.planners.steps import StepsPlanner
from zephyrus_exec.repositories import MemoryRepository, zephyrus
from zephyrus_exec.repositories.zephyrus import ZephyrusApi, ZephyrusApiRepository
from zephyrus_exec.testing.chain import ModelChain, ModelSigner

from .commands import run

GOOD: dict[str, list[dict[str, Any]]] = {
    "agents": [
        {
            "agent_id": "good",
            "contract_id": TOKEN,
            "name": "Good",
            "status": "active",
            "gas_limit": "300000",
        },
        {"agent_id": "a/../b", "contract_id": TOKEN, "name": "Odd", "status": "active"},
        {"agent_id": "bad", "contract_id": TOKEN, "name": "Bad", "gas_limit": "plenty"},
    ],
    "agent_functions": [
        {
            "function_id": "f",
            "agent_id": "good",
            "function_name": "transfer",
            "function_signature": "transfer(address,uint256)",
            "function_type": "write",
            "is_enabled": 1,
            "validation_rules": None,
            "abi": TRANSFER,
        }
    ],
    "agent_function_params": [
        {
            "param_id": "p",
            "function_id": "f",
            "param_name": "to",
            "param_type": "address",
            "default_value": OWNER,
        }
    ],
    "agent_schedules": [
        {"schedule_id": "s", "agent_id": "good", "schedule_type": "cron", "cron_expression": "0"}
    ],
}
GET_GOOD = "/agents/getById/good"


@asynccontextmanager
async def serving(
    configured: MemoryRepository | None = None,
) -> AsyncIterator[tuple[FakeApi, ZephyrusApiRepository]]:
    async with FakeApi(copy.deepcopy(GOOD)).serve() as server:
        api = ZephyrusApi(server.url + "/", request_timeout=5)
        repository = ZephyrusApiRepository(api, chain_id=57054, configured=configured)
        try:
            yield server, repository
        finally:
            await repository.aclose()
            await repository.aclose()


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("nested", [False, True])
async def test_an_agent_is_read_with_all_that_belongs_to_it(as_list: bool, nested: bool) -> None:
    async with serving() as (server, repository):
        server.as_list, server.nested = as_list, nested
        agent = await repository.get_agent("good")
        assert (agent.name, agent.gas_limit, agent.contract_id) == ("Good", 300000, TOKEN)
        [function] = agent.functions
        assert (function.signature, function.type) == (
            "transfer(address,uint256)",
            FunctionType.WRITE,
        )
        assert [(one.name, one.default) for one in function.parameters] == [("to", OWNER)]
        assert [one["schedule_id"] for one in agent.schedules] == ["s"]
        assert await repository.get_agent("good") is agent
        server.rows["agents"][0] = {**server.rows["agents"][0], "name": "Better"}
        assert (await repository.get_agent("good")).name == "Better"


async def test_rules_may_be_missing_where_there_is_no_path_for_parameters_at_all() -> None:
    async with serving() as (server, repository):
        server.misbehaviour["/functions/f/params"] = answers("<pre>no</pre>", status=404)
        agent = await repository.get_agent("good")
        assert agent.functions[0].parameters == ()


@pytest.mark.parametrize("as_200", [False, True])
@pytest.mark.parametrize(
    "name",
    ["", "Good", "good ", "../good", ".", "..", "x" * 300, "\x00", "b%", "good%20", "\ud800"],
)
async def test_an_unknown_agent_is_not_found(name: str, as_200: bool) -> None:
    async with serving() as (server, repository):
        server.not_found_as_200 = as_200
        with pytest.raises(AgentNotFound) as caught:
            await repository.get_agent(name)
        assert caught.value.details == {"agent_id": name}
        assert all(path.startswith(f"{BASE}/agents/getById/") for path in server.asked)
        assert all(path.count("/") == BASE.count("/") + 3 for path in server.asked)


@pytest.mark.parametrize(
    "answer",
    [
        {"success": True, "data": None},
        {"success": True, "data": []},
        {"success": True, "data": {}},
        {"success": True},
        {"success": True, "data": [{"agent_id": "other"}]},
        {"success": True, "data": {"agentId": "GOOD"}},
        {"success": False},
        {"success": False, "message": "No se encontró el agente: no existe"},
    ],
)
async def test_an_answer_without_this_agent_is_not_found(answer: object) -> None:
    async with serving() as (server, repository):
        server.misbehaviour[GET_GOOD] = answers(answer)
        with pytest.raises(AgentNotFound):
            await repository.get_agent("good")


async def test_an_id_is_quoted_and_means_itself() -> None:
    async with serving() as (server, repository):
        assert (await repository.get_agent("a/../b")).name == "Odd"
        assert server.asked[0] == f"{BASE}/agents/getById/a%2F..%2Fb"


_DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answers({"success": False, "error": "database is locked"}), "database is locked"),
        (answers({"success": False, "error": "x"}, status=500), "HTTP 500"),
        (answers("Bad Gateway", status=502), "HTTP 502"),
        (answers({"error": "who are you"}, status=401), "HTTP 401"),
        (answers('{"success": true, "data": {"agent_id": "go'), "no JSON"),
        (answers(_DEEP), "no JSON"),
        (answers(b"\xff"), "no JSON"),
        (answers("NaN"), "no JSON"),
        (answers(""), "no JSON"),
        (answers('"good"'), "answered 'good'"),
        (answers({"success": True, "data": 7}), "answered 7"),
        (answers({"success": True, "data": ["good"]}), "answered 'good'"),
        (answers(b" " * (5 << 20)), "more than 4194304 bytes"),
        (cuts_off, "cannot be reached"),
        (hangs_up, "cannot be reached"),
        (redirects_to("http://elsewhere.invalid/x"), "elsewhere.invalid, which is not followed"),
        (redirects_to("//elsewhere.invalid/x"), "elsewhere.invalid"),
        (redirects_to("http://127.0.0.1:1/x"), "127.0.0.1, which is not followed"),
        (redirects_to("ftp://127.0.0.1/x"), "not followed"),
        (redirects_to("http://[::1"), "nowhere"),
        (redirects_to(f"{BASE}{GET_GOOD}"), "redirects again and again"),
    ],
)
async def test_an_answer_that_is_of_no_use_is_unavailable_and_says_why(
    answer: Answer, said: str
) -> None:
    async with serving() as (server, repository):
        server.misbehaviour[GET_GOOD] = answer
        with pytest.raises(RepositoryUnavailable) as caught:
            await repository.get_agent("good")
        assert said in caught.value.message
        assert server.url not in caught.value.message


@pytest.mark.parametrize(
    "path", ["/agents/good/functions", "/functions/f/params", "/agents/good/schedules"]
)
@pytest.mark.parametrize(
    "answer",
    [
        answers([], status=500),
        answers("{"),
        answers([7]),
        answers([{"function_id": "g"}]),
        cuts_off,
    ],
)
async def test_an_agent_is_whole_or_not_there(path: str, answer: Answer) -> None:
    """Rules that cannot be read are never taken for no rules."""
    async with serving() as (server, repository):
        server.misbehaviour[path] = answer
        try:
            agent = await repository.get_agent("good")
        except RepositoryUnavailable:
            return
        assert agent.functions == () or path.endswith("schedules"), "rows of others are refused"


async def test_functions_that_are_not_found_make_the_agent_unavailable() -> None:
    async with serving() as (server, repository):
        server.misbehaviour["/agents/good/functions"] = answers("", status=404)
        with pytest.raises(RepositoryUnavailable, match="HTTP 404"):
            await repository.get_agent("good")


@pytest.mark.parametrize("answer", [never_answers, stalls])
async def test_a_slow_answer_is_unavailable_in_time(answer: Answer) -> None:
    async with FakeApi(GOOD).serve() as server:
        server.misbehaviour["*"] = answer
        repository = ZephyrusApiRepository(
            ZephyrusApi(server.url, request_timeout=0.2), chain_id=57054
        )
        with pytest.raises(RepositoryUnavailable, match="did not answer in time"):
            await asyncio.wait_for(repository.get_agent("good"), 5)
        await repository.aclose()


async def test_nobody_there_is_unavailable() -> None:
    repository = ZephyrusApiRepository(ZephyrusApi("http://127.0.0.1:1/api/db"), chain_id=1)
    with pytest.raises(RepositoryUnavailable, match="cannot be reached"):
        await repository.get_agent("good")
    await repository.aclose()


async def test_a_redirect_on_the_same_host_is_followed() -> None:
    async with serving() as (server, repository):
        server.misbehaviour[GET_GOOD] = redirects_to(f"{BASE}/moved", status=308)
        server.misbehaviour["/moved"] = answers({"success": True, "data": GOOD["agents"][0]})
        assert (await repository.get_agent("good")).name == "Good"


async def test_an_agent_whose_own_row_is_refused_is_an_invalid_definition() -> None:
    async with serving() as (_, repository):
        with pytest.raises(InvalidDefinition) as caught:
            await repository.get_agent("bad")
        assert caught.value.details["agent_id"] == "bad"
        assert "gas_limit is 'plenty'" in caught.value.message


async def test_a_function_that_is_refused_is_left_out_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (server, repository):
        server.rows["agent_function_params"][0] = {
            **server.rows["agent_function_params"][0],
            "validation_rules": {"maxPerDay": 1},
        }
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                assert (await repository.get_agent("good")).functions == ()
    told = [record.getMessage() for record in caplog.records if "maxPerDay" in record.getMessage()]
    assert len(told) == 1


async def test_a_function_without_id_can_have_no_parameters_of_its_own() -> None:
    async with serving() as (server, repository):
        row = server.rows["agent_functions"][0]
        server.rows["agent_functions"] = [{**row, "function_id": ""}]
        assert [one.name for one in (await repository.get_agent("good")).functions] == ["transfer"]
        assert not [path for path in server.asked if "params" in path]


async def test_a_contracts_agents_are_told_by_their_ids() -> None:
    async with FakeApi(GOOD).serve() as server:
        api = ZephyrusApi(server.url)
        assert await api.agents_of(TOKEN) == ("a/../b", "bad", "good")
        assert await api.agents_of("..") == ()
        await api.aclose()


# --- what the operator says ----------------------------------------------------------------------


PLANNER = Component("steps", {"steps": []})


async def test_planner_and_signer_come_from_the_operator() -> None:
    said = Agent("good", planner=PLANNER, signer="main", name="ignored")
    async with serving(MemoryRepository([said])) as (_, repository):
        agent = await repository.get_agent("good")
        assert (agent.name, agent.planner, agent.signer) == ("Good", PLANNER, "main")
        assert (await repository.get_agent("a/../b")).planner is None


async def test_agents_that_only_the_operator_describes_are_as_described() -> None:
    said = [Agent("good", planner=PLANNER), Agent("mine", contract_id="mine"), Agent("lost")]
    contract = Contract("mine", OWNER, 1)
    lost = evolve(said[2], contract_id="nowhere")
    async with serving(MemoryRepository([*said[:2], lost], [contract])) as (_, repository):
        assert await repository.get_agent("mine") == said[1]
        listed = [agent.id async for agent in repository.list_agents()]
        assert listed == ["good", "mine", "lost"]
        assert [one.id async for one in repository.list_contracts()] == ["mine", TOKEN]


async def test_a_contract_is_the_operators_or_one_at_its_id() -> None:
    token = Contract(TOKEN, OWNER, 1, abi=(DEPOSIT,))
    async with serving(MemoryRepository([], [token])) as (_, repository):
        assert await repository.get_contract(TOKEN) == token
    async with serving() as (_, repository):
        assert await repository.get_contract(TOKEN) == Contract(TOKEN, TOKEN, 57054)


@pytest.mark.parametrize("name", ["", "Token", ROWLESS, TOKEN + " ", "\x00", ".."])
async def test_a_contract_nobody_is_bound_to_is_not_found(name: str) -> None:
    async with serving() as (_, repository):
        with pytest.raises(ContractNotFound) as caught:
            await repository.get_contract(name)
        assert caught.value.details == {"contract_id": name}


async def test_without_the_operator_nothing_can_be_listed() -> None:
    async with serving() as (_, repository):
        with pytest.raises(RepositoryError):
            [agent async for agent in repository.list_agents()]
        with pytest.raises(RepositoryError):
            [contract async for contract in repository.list_contracts()]


async def test_what_is_known_of_agents_is_bounded() -> None:
    async with serving() as (server, repository):
        server.rows["agents"] = [
            {"agent_id": str(number), "status": "active"} for number in range(1030)
        ]
        first = await repository.get_agent("0")
        for number in range(1030):
            await repository.get_agent(str(number))
        again = await repository.get_agent("0")
        assert again == first
        assert again is not first


@pytest.mark.parametrize(
    "url", ["", "ftp://x/", "http://", "x", "http://x/?key=1", "http://x/#a", "http://[::1"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="write one such as"):
        ZephyrusApi(url)


# --- executed ------------------------------------------------------------------------------------


async def test_an_agent_is_executed_as_the_api_has_it_at_that_moment() -> None:
    chain, signer = ModelChain(57054), ModelSigner()
    chain.fund(signer.address)
    chain.deploy(TOKEN, {"transfer": None})
    step: dict[str, Json] = {"function": "transfer", "parameters": {"amount": "1"}}
    planner = Component("steps", {"steps": [step]})
    said = MemoryRepository([Agent("good", planner=planner, signer="main")])
    async with serving(said) as (server, repository):
        engine = ExecutionEngine(
            agents=repository,
            contracts=repository,
            store=MemoryStore(),
            planners={"steps": StepsPlanner()},
            chains={57054: chain},
            signers={"main": signer},
        )
        async with engine:
            first = await engine.result(await engine.submit("good"))
            row = server.rows["agent_functions"][0]
            server.rows["agent_functions"] = [{**row, "is_enabled": 0}]
            second = await engine.result(await engine.submit("good"))
            server.misbehaviour["*"] = answers({}, status=503)
            with pytest.raises(RepositoryUnavailable):
                await engine.submit("good")
    results: Any = first["results"]
    assert [one["parameters"] for one in results] == [{"to": OWNER, "amount": "1"}]
    assert results[0]["success"], "the default came from the API, the amount from the settings"
    failed: Any = second["error"]
    assert failed["code"] == "function_disabled"
    assert len(chain.broadcasts) == 1


# --- from the command line -----------------------------------------------------------------------


async def command(*arguments: str, **env: str) -> tuple[int, str, str]:
    ended = await asyncio.to_thread(run, *arguments, env=env)
    return ended.code, ended.out, ended.err


@pytest.mark.shows("agents import --agent", "agents import --contract", "DB_API_URL")
async def test_agents_are_imported_by_their_ids_and_by_their_contract(tmp_path: Path) -> None:
    to = ("--to", str(tmp_path / "new.db"), "--chain-id", "57054", "--json")
    async with FakeApi(GOOD | {"agents": GOOD["agents"][:2]}).serve() as server:
        first = await command("agents", "import", server.url, "--agent", "good", *to)
        more = ("--contract", TOKEN)
        second = await command("agents", "import", *more, *to, DB_API_URL=server.url)
    assert (first[0], second[0]) == (0, 0)
    told = [json.loads(line) for line in second[1].splitlines()]
    stored = {line["id"]: line["stored"] for line in told if line["table"] == "agents"}
    assert stored == {"good": "unchanged", "a/../b": "new"}
    (contract,) = [line for line in told if line["table"] == "contracts"]
    assert contract["verdict"] == "repaired"


@pytest.mark.shows("ZEPHYRUS_AGENTS_CHAIN_ID")
async def test_a_server_reads_its_agents_from_the_api_that_the_old_variable_names(
    tmp_path: Path,
) -> None:
    file = tmp_path / "zephyrus.toml"
    file.write_text(
        '[[agents]]\nid = "good"\nplanner = {name = "steps", settings = {steps = []}}\n'
    )
    async with FakeApi(GOOD).serve() as server:
        known = {"DB_API_URL": server.url, "ZEPHYRUS_AGENTS_CHAIN_ID": "57054"}
        code, out, err = await command("agents", "show", "good", "--config", str(file), **known)
        assert (code, err) == (0, "")
        shown = json.loads(out)
        assert (shown["gas_limit"], shown["planner"]["name"]) == (300000, "steps")
        lacking = await command("agents", "show", "good", DB_API_URL=server.url)
        assert lacking[0] == 2
        assert "set ZEPHYRUS_AGENTS_CHAIN_ID" in lacking[2]
        rpc = ("--rpc", "57054=http://127.0.0.1:1")
        only = await command("agents", "show", "good", *rpc, "--agents", server.url)
        assert only[0] == 0


@pytest.mark.shows("* --agents-chain-id")
@pytest.mark.parametrize(
    "words",
    ["serve", "agents list", "agents show good", "agents check", "agents export"],
)
async def test_every_command_that_reads_agents_takes_the_chain_of_an_api(words: str) -> None:
    async with FakeApi(GOOD).serve() as server:
        flags = ("--agents", server.url)
        wrong = await command(*words.split(), *flags, "--agents-chain-id", "x")
        lacking = await command(*words.split(), *flags)
        if words == "agents show good":
            right = await command(*words.split(), *flags, "--agents-chain-id", "57054")
            assert (right[0], json.loads(right[1])["name"]) == (0, "Good")
    assert (wrong[0], lacking[0]) == (2, 2)
    assert "--agents-chain-id: 'x' is no chain id" in wrong[2]
    assert "does not tell the chain" in lacking[2]


async def test_without_its_extra_the_api_is_refused_with_the_install_line(tmp_path: Path) -> None:
    ended = await asyncio.to_thread(
        run,
        *("agents", "import", "http://127.0.0.1:1", "--agent", "a", "--to", "new.db"),
        cwd=tmp_path,
        hidden=["aiohttp"],
    )
    assert ended.code == 2
    assert 'pip install "zephyrus-exec[api]"' in ended.err


def test_reading_tables_needs_no_extra(tmp_path: Path) -> None:
    make_database(tmp_path / "old.db")
    to = ("--to", str(tmp_path / "new.db"), "--chain-id", "1")
    ended = run("agents", "import", str(tmp_path / "old.db"), *to, hidden=["aiohttp"])
    assert "taken" in ended.err


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError):
        _ = zephyrus.Nothing
