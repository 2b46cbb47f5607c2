"""One peer, the real engine, and everything that may go differently between them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from zephyrus_exec import (
    ANONYMOUS,
    Agent,
    AgentFunction,
    Component,
    Contract,
    ExecutionEngine,
    FunctionType,
    Json,
    MemoryRepository,
    MemoryStore,
    Outcome,
    Overlap,
    Principal,
    RunContext,
    StepsPlanner,
)
from zephyrus_exec.errors import TransportClosedByPeer, TransportClosedHere
from zephyrus_exec.interfaces.store import Expect, Write
from zephyrus_exec.service import Service
from zephyrus_exec.session import Grant, Session, SessionLimits
from zephyrus_exec.testing.chain import ModelChain, ModelSigner
from zephyrus_exec.testing.clock import ManualClock, settle
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore
from zephyrus_exec.testing.ledger import reverting
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.transports.memory import memory_pair

from .peers import (
    Held,
    Peer,
    engine_of,
    execute,
    failed,
    noop,
    nothing_done,
    peer_of,
    rejected,
    started,
)

INVALID = rejected("Mensaje JSON no válido")
OVERLOADED = "Servidor sobrecargado: no se ejecutó nada; inténtelo más tarde"
DRAINING = "El servidor se está deteniendo: no se ejecutó nada; inténtelo más tarde"


class BrokenStore(MemoryStore):
    """A journal with a bug: it raises what no store may raise."""

    broken = False

    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        if self.broken:
            raise KeyError("/home/somebody/secret.py")
        return await super().commit(writes, expect=expect, durable=durable)


class SlowRepository(MemoryRepository):
    """Finds agents only when it is told to."""

    def __init__(self, agents: Sequence[Agent]) -> None:
        super().__init__(agents)
        self.find = asyncio.Event()

    async def get_agent(self, agent_id: str) -> Agent:
        await self.find.wait()
        return await super().get_agent(agent_id)


async def outcomes(engine: ExecutionEngine) -> list[Outcome | None]:
    """Return how every execution ended, the newest first."""
    return [execution.outcome for execution in await engine.list_executions()]


# --- order ---------------------------------------------------------------------------------------


async def test_replies_come_in_the_order_of_their_frames_whatever_the_frames_are() -> None:
    async with engine_of({"noop": noop}) as engine, peer_of(engine) as peer:
        await peer.send("{", execute("noop"), execute("nobody"), "[]", b"\xff", execute("noop"))
        assert await peer.replies(9) == [
            INVALID,
            started("noop"),
            nothing_done("noop"),
            started("nobody"),
            failed("nobody", "Agente no encontrado: nobody"),
            INVALID,
            INVALID,
            started("noop"),
            nothing_done("noop"),
        ]


async def test_a_rejection_waits_for_the_execution_before_it() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine, peer_of(engine) as peer:
        await peer.send(execute("held"))
        await soon(held.began.wait())
        await peer.send("{")
        await settle()
        held.release.set()
        assert await peer.replies(3) == [started("held"), nothing_done("held"), INVALID]


async def test_requests_of_one_peer_are_worked_off_one_after_the_other() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine, peer_of(engine) as peer:
        await peer.send(execute("held"), execute("held"))
        await soon(held.began.wait())
        await settle()
        assert held.runs == 1
        held.release.set()
        await peer.replies(4)
        assert held.runs == 2


async def test_two_peers_do_not_wait_for_each_other() -> None:
    held = Held()
    async with (
        engine_of({"held": held, "noop": noop}) as engine,
        peer_of(engine) as slow,
        peer_of(engine) as quick,
    ):
        await slow.send(execute("held"))
        await soon(held.began.wait())
        await quick.send(execute("noop"))
        assert await quick.replies(2) == [started("noop"), nothing_done("noop")]
        held.release.set()


async def test_started_goes_out_before_the_agent_is_looked_up() -> None:
    repository = SlowRepository([])
    engine = ExecutionEngine(agents=repository, contracts=repository, store=MemoryStore())
    async with engine, peer_of(engine) as peer:
        await peer.send(execute("nobody"))
        assert await peer.next() == started("nobody")
        repository.find.set()
        assert await peer.next() == failed("nobody", "Agente no encontrado: nobody")


# --- refusals ------------------------------------------------------------------------------------


async def test_a_missing_contract_is_a_failed_reply_after_started() -> None:
    lost = Agent("lost", contract_id="nowhere", runner=Component("noop"))
    async with engine_of({"noop": noop}, agents=[lost]) as engine, peer_of(engine) as peer:
        await peer.send(execute("lost"))
        assert await peer.replies(2) == [
            started("lost"),
            failed("lost", "Contrato no encontrado: nowhere"),
        ]


async def test_an_agent_without_a_planner_fails_with_what_to_configure() -> None:
    async with engine_of({}, agents=[Agent("bare")]) as engine, peer_of(engine) as peer:
        await peer.send(execute("bare"))
        assert await peer.next() == started("bare")
        assert "El agente no tiene planificador" in str(await peer.next())


async def test_an_overloaded_engine_is_a_failed_reply_after_started() -> None:
    held = Held()
    async with (
        engine_of({"held": held}, max_running=1, max_queued=0) as engine,
        peer_of(engine) as first,
        peer_of(engine) as second,
    ):
        await first.send(execute("held"))
        await soon(held.began.wait())
        await second.send(execute("held"))
        assert await second.replies(2) == [started("held"), failed("held", OVERLOADED)]
        held.release.set()
        assert await first.replies(2) == [started("held"), nothing_done("held")]
        assert held.runs == 1


async def test_a_draining_engine_is_a_failed_reply_after_started() -> None:
    async with engine_of({"noop": noop}) as engine, peer_of(engine) as peer:
        assert await engine.drain()
        await peer.send(execute("noop"))
        assert await peer.replies(2) == [started("noop"), failed("noop", DRAINING)]


async def test_a_peer_that_joins_gets_the_same_outcome_from_one_run() -> None:
    held = Held()
    shared = Agent("shared", runner=Component("held"), overlap=Overlap.JOIN)
    async with (
        engine_of({"held": held}, agents=[shared]) as engine,
        peer_of(engine) as first,
        peer_of(engine) as second,
    ):
        await first.send(execute("shared"))
        await soon(held.began.wait())
        await second.send(execute("shared"))
        assert await second.next() == started("shared")
        await settle()
        held.release.set()
        assert await second.next() == nothing_done("shared")
        assert await first.replies(2) == [started("shared"), nothing_done("shared")]
        assert held.runs == 1


# --- bad ends ------------------------------------------------------------------------------------


async def test_an_execution_that_runs_out_of_time_says_so() -> None:
    async with engine_of({"held": Held()}, max_duration=0.05) as engine, peer_of(engine) as peer:
        await peer.send(execute("held"))
        assert await peer.replies(2) == [
            started("held"),
            failed("held", "Se agotó el tiempo de la ejecución"),
        ]


async def test_an_execution_that_somebody_cancelled_says_so() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine, peer_of(engine) as peer:
        await peer.send(execute("held"))
        await soon(held.began.wait())
        (execution,) = await engine.list_executions()
        await engine.cancel(execution.id, reason="mantenimiento")
        assert await peer.replies(2) == [
            started("held"),
            failed("held", "Ejecución cancelada: mantenimiento"),
        ]


async def test_a_bug_in_an_agent_is_told_by_an_incident_that_the_log_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def buggy(context: RunContext) -> Json:
        raise ZeroDivisionError("at /home/somebody/agent.py")

    async with engine_of({"buggy": buggy}) as engine, peer_of(engine) as peer:
        await peer.send(execute("buggy"))
        assert await peer.next() == started("buggy")
        reply = str(await peer.next())
    (record,) = [record for record in caplog.records if record.exc_info]
    incident = record.getMessage().rpartition(" ")[2]
    assert reply == failed("buggy", f"El agente falló por un error interno (incidencia {incident})")


@asynccontextmanager
async def trading(*, burn: Any) -> AsyncIterator[tuple[ExecutionEngine, ModelChain]]:
    """Run an engine whose agent `trader` mints twice, then burns."""
    chain, signer = ModelChain(), ModelSigner()
    chain.fund(signer.address)
    contract = Contract("token", "0x" + "c0" * 20, chain.chain_id)
    chain.deploy(contract.address, {"mint": True, "burn": burn})
    steps: Json = [{"function": "mint"}, {"function": "mint"}, {"function": "burn"}]
    trader = Agent(
        "trader",
        contract_id=contract.id,
        planner=Component("steps", {"steps": steps}),
        functions=(
            AgentFunction("mint", "mint()", type=FunctionType.WRITE),
            AgentFunction("burn", "burn()", type=FunctionType.WRITE),
        ),
        signer="model",
    )
    repository = MemoryRepository([trader], [contract])
    async with ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=MemoryStore(),
        planners={"steps": StepsPlanner()},
        chains={chain.chain_id: chain},
        signers={"model": signer},
    ) as engine:
        yield engine, chain


async def test_a_failed_reply_names_what_already_ran_with_its_transactions() -> None:
    async with trading(burn=reverting("paused")) as (engine, chain), peer_of(engine) as peer:
        await peer.send(execute("trader"))
        assert await peer.next() == started("trader")
        reply = await peer.next()
        first, second = (chain.decode(raw).hash for raw in chain.broadcasts)
    assert reply == failed(
        "trader",
        "La acción 3 (burn) falló: El contrato revirtió la llamada: paused. "
        f"2 de 3 acciones ya se ejecutaron (mint {first}, mint {second}); "
        "no repita sin comprobar",
    )


async def test_a_completed_reply_has_the_transactions_of_its_actions() -> None:
    async with trading(burn=None) as (engine, chain), peer_of(engine) as peer:
        await peer.send(execute("trader"))
        assert await peer.next() == started("trader")
        reply = str(await peer.next())
        hashes = [chain.decode(raw).hash for raw in chain.broadcasts]
    items = [
        f'{{"function_name":"{name}","parameters":{{}},"result":"{one}","success":true,'
        f'"transaction_hash":"{one}","block_number":{block},"gas_used":50000}}'
        for block, (name, one) in enumerate(
            zip(("mint", "mint", "burn"), hashes, strict=True), start=1
        )
    ]
    assert reply == (
        f'{{"type":"execution_response","data":{{"success":true,"results":[{",".join(items)}],'
        '"agent_id":"trader","execution_count":3,"status":"completed"}}'
    )


# --- peers that leave ----------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True], ids=["farewell", "broken"])
async def test_a_peer_that_leaves_does_not_cancel_its_execution(broken: bool) -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        async with peer_of(engine) as peer:
            await peer.send(execute("held"))
            await soon(held.began.wait())
            if broken:
                peer.transport.abort()
            else:
                await peer.transport.aclose()
            await soon(peer.serving)
        assert await outcomes(engine) == [None]
        held.release.set()
        assert await engine.drain()
        assert await outcomes(engine) == [Outcome.SUCCEEDED]


async def test_requests_that_waited_behind_a_peers_execution_are_not_started_once_it_has_left() -> (
    None
):
    held = Held()
    async with engine_of({"held": held}) as engine:
        async with peer_of(engine) as peer:
            await peer.send(*[execute("held")] * 5)
            await soon(held.began.wait())
        held.release.set()
        assert await engine.drain()
        assert await outcomes(engine) == [Outcome.SUCCEEDED]


async def test_a_request_whose_peer_left_before_its_turn_is_not_executed() -> None:
    """What came together with the farewell gets no answer, so nothing is done about it."""
    async with engine_of({"noop": noop}) as engine:
        server, client = memory_pair()
        await client.send([execute("noop")])
        await client.aclose()
        session = _session(server, engine)
        await soon(session.run())
        assert await outcomes(engine) == []


async def _leave_during_the_acceptance() -> list[Outcome | None]:
    """Let a peer leave between its `started` and the commit; return what became of it."""
    store = FaultyStore(MemoryStore())
    async with engine_of({"noop": noop}, store=store) as engine:
        async with peer_of(engine) as peer:
            store.fail(Fault.HELD)
            await peer.send(execute("noop"))
            assert await peer.next() == started("noop")
            await settle()
        store.release()
        assert await engine.drain()
        return await outcomes(engine)


async def test_a_peer_that_leaves_during_the_acceptance_leaves_nothing_that_never_ends() -> None:
    assert None not in await _leave_during_the_acceptance()


async def test_a_peer_that_leaves_once_it_read_started_has_its_execution_run() -> None:
    """Closing the socket cancels nothing that was said to have started."""
    assert await _leave_during_the_acceptance() == [Outcome.SUCCEEDED]


async def test_a_peer_that_takes_nothing_holds_up_nobody_else() -> None:
    async with engine_of({"noop": noop}) as engine, peer_of(engine) as quick:
        server, client = memory_pair(max_frames=1)
        session = asyncio.create_task(_session(server, engine).run())
        await client.send([execute("noop")])
        await settle()
        await quick.send(execute("noop"))
        assert await quick.replies(2) == [started("noop"), nothing_done("noop")]
        client.abort()
        await soon(session)
        assert await outcomes(engine) == [Outcome.SUCCEEDED]


# --- closing -------------------------------------------------------------------------------------


async def test_too_many_unanswered_frames_end_the_channel_with_1013() -> None:
    held = Held()
    limits = SessionLimits(max_pending=3)
    async with engine_of({"held": held}) as engine, peer_of(engine, limits=limits) as peer:
        await peer.send(*[execute("held")] * 3)
        await soon(held.began.wait())
        await peer.send("{")
        end = await end_of(peer.transport)
        assert isinstance(end, TransportClosedByPeer)
        assert end.details == {"close_code": 1013, "reason": "too many requests are waiting"}
        held.release.set()
        assert await engine.drain()
        assert await outcomes(engine) == [Outcome.SUCCEEDED]


async def test_a_bug_in_the_engine_ends_the_channel_with_1011_and_an_incident(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = BrokenStore()
    async with (
        engine_of({"noop": noop}, store=store) as engine,
        peer_of(engine) as peer,
        peer_of(engine) as other,
    ):
        store.broken = True
        await peer.send(execute("noop"))
        assert await peer.next() == started("noop")
        end = await end_of(peer.transport)
        store.broken = False
        await other.send(execute("noop"))
        assert await other.replies(2) == [started("noop"), nothing_done("noop")]
    assert isinstance(end, TransportClosedByPeer)
    (record,) = [record for record in caplog.records if record.name == "zephyrus_exec.session.v1"]
    incident = record.getMessage().rpartition(" ")[2]
    assert end.details == {
        "close_code": 1011,
        "reason": f"internal error, incident {incident}",
    }
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


async def test_finish_answers_what_is_owed_and_then_says_farewell() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        server, client = memory_pair()
        session = _session(server, engine)
        running = asyncio.create_task(session.run())
        await client.send([execute("held"), "{"])
        await soon(held.began.wait())
        session.finish()
        session.finish()
        await settle()
        held.release.set()
        peer = Peer(client, running)
        assert await peer.replies(3) == [started("held"), nothing_done("held"), INVALID]
        end = await end_of(client)
        await soon(running)
    assert isinstance(end, TransportClosedByPeer)
    assert end.details == {"close_code": 1001, "reason": "going away"}


async def test_finish_says_farewell_at_once_where_nothing_is_owed() -> None:
    async with engine_of({}) as engine:
        server, client = memory_pair()
        session = _session(server, engine)
        running = asyncio.create_task(session.run())
        await settle()
        session.finish()
        end = await end_of(client)
        await soon(running)
    assert isinstance(end, TransportClosedByPeer)
    assert end.details["close_code"] == 1001


async def test_a_session_on_a_channel_that_was_closed_here_just_ends() -> None:
    async with engine_of({}) as engine:
        server, _ = memory_pair()
        await server.aclose()
        await soon(_session(server, engine).run())
        assert isinstance(await end_of(server), TransportClosedHere)


async def test_a_session_that_is_cancelled_leaves_its_execution_running() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        server, client = memory_pair()
        running = asyncio.create_task(_session(server, engine).run())
        await client.send([execute("held")])
        await soon(held.began.wait())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        held.release.set()
        assert await engine.drain()
        assert await outcomes(engine) == [Outcome.SUCCEEDED]


# --- what is passed on ---------------------------------------------------------------------------


async def test_texts_come_in_the_language_that_was_set() -> None:
    async with (
        engine_of({"noop": noop}) as engine,
        peer_of(engine, language="en") as peer,
    ):
        await peer.send(execute("nobody"), "{", execute("noop"))
        said = [str(frame) for frame in await peer.replies(5)]
    assert "Starting execution of agent nobody" in said[0]
    assert said[1] == failed("nobody", "Agent not found: nobody")
    assert said[2] == rejected("Invalid JSON message")
    assert "No action was executed during the cycle" in said[4]


@pytest.mark.parametrize("principal", [ANONYMOUS, Principal("ana")], ids=lambda one: one.id)
async def test_executions_are_on_behalf_of_the_sessions_principal(principal: Principal) -> None:
    held = Held()
    held.release.set()
    async with (
        engine_of({"held": held}) as engine,
        peer_of(engine, principal=principal) as peer,
    ):
        await peer.send(execute("held"))
        await peer.replies(2)
        (execution,) = await engine.list_executions(principal=principal)
    assert held.principals[0].id == execution.principal == principal.id


async def test_the_limits_of_a_message_are_the_sessions() -> None:
    limits = SessionLimits(max_message_bytes=60, max_message_depth=2)
    async with engine_of({"noop": noop}) as engine, peer_of(engine, limits=limits) as peer:
        deep = '{"type":"execute","agent_id":"noop","x":[[]]}'
        await peer.send(execute("noop"), execute("noop" * 20), deep)
        assert await peer.replies(4) == [started("noop"), nothing_done("noop"), INVALID, INVALID]


def _session(server: Any, engine: ExecutionEngine) -> Session:
    service = Service(engine)
    return Session(server, service.setup, grant=Grant(ANONYMOUS))


async def test_a_peer_whose_execution_goes_on_elsewhere_gets_a_close_instead_of_a_reply() -> None:
    held = Held()
    store = FaultyStore(MemoryStore())
    store.durable = True
    async with engine_of({"held": held}, store=store) as engine, peer_of(engine) as peer:
        await peer.send(execute("held"), execute("held"))
        await soon(held.began.wait())
        await engine.aclose()
        assert await peer.next() == started("held")
        end = await end_of(peer.transport)
        assert isinstance(end, TransportClosedByPeer)
        assert end.details["close_code"] == 1001
        assert held.runs == 1


async def test_a_peer_whose_execution_waits_for_the_store_is_let_go_after_a_while() -> None:
    held = Held()
    store, clock = FaultyStore(MemoryStore()), ManualClock()
    async with (
        engine_of({"held": held}, store=store, clock=clock, store_grace=30) as engine,
        peer_of(engine) as peer,
    ):
        await peer.send(execute("held"))
        await soon(held.began.wait())
        store.writable = False
        held.release.set()
        await clock.advance(31)
        assert await peer.next() == started("held")
        end = await end_of(peer.transport)
        assert isinstance(end, TransportClosedByPeer)
        assert end.details["close_code"] == 1011
        store.writable = True
        await clock.advance(1)
        (execution,) = await engine.list_executions()
        assert execution.outcome is Outcome.SUCCEEDED
