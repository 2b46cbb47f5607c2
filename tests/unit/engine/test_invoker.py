"""From an action to a call."""

from __future__ import annotations

import pytest

from zephyrus_exec.engine.invoker import Invoker
from zephyrus_exec.errors import (
    ChainNotConfigured,
    ContractNotFound,
    FunctionNotFound,
    RuleViolated,
    SignerNotConfigured,
)
from zephyrus_exec.model import (
    Action,
    AgentFunction,
    FunctionParameter,
    FunctionType,
    Rules,
)
from zephyrus_exec.testing.chain import ModelChain, ModelSigner

from .world import CONTRACT, chain_agent

CHAIN = ModelChain(confirmations=3)
SIGNER = ModelSigner()
INVOKER = Invoker({1337: CHAIN}, {"key": SIGNER})


def test_a_read_needs_no_signer_and_takes_the_confirmations_of_its_chain() -> None:
    invocation = INVOKER.prepare(chain_agent(signer=None), CONTRACT, Action("get"))
    assert invocation.signer is None
    assert invocation.chain is CHAIN
    assert invocation.confirmations == 3


def test_a_write_is_signed_by_the_agents_signer_with_its_own_confirmations() -> None:
    function = AgentFunction("set", type=FunctionType.WRITE, confirmations=1)
    invocation = INVOKER.prepare(chain_agent(functions=(function,)), CONTRACT, Action("set"))
    assert invocation.signer is SIGNER
    assert invocation.confirmations == 1


def test_defaults_are_filled_in_before_rules_are_checked() -> None:
    parameter = FunctionParameter("x", Rules(maximum=5), default=6)
    agent = chain_agent(functions=(AgentFunction("get", parameters=(parameter,)),))
    with pytest.raises(RuleViolated):
        INVOKER.prepare(agent, CONTRACT, Action("get"))
    assert INVOKER.prepare(agent, CONTRACT, Action("get", {"x": 5})).call.arguments == {"x": 5}


def test_an_agent_without_contract_is_told_to_get_one() -> None:
    with pytest.raises(ContractNotFound, match="contract_id"):
        INVOKER.prepare(chain_agent(contract_id=None), None, Action("get"))


def test_what_the_agent_does_not_have_is_refused_first() -> None:
    with pytest.raises(FunctionNotFound):
        INVOKER.prepare(chain_agent(), None, Action("burn"))


def test_a_chain_that_is_not_configured_is_named_with_its_variable() -> None:
    with pytest.raises(ChainNotConfigured, match="ZEPHYRUS_RPC_1337"):
        Invoker({}, {}).prepare(chain_agent(), CONTRACT, Action("get"))


@pytest.mark.parametrize(
    ("signer", "signers", "words"),
    [
        (None, {}, "no signer; configured signers: none"),
        ("other", {"key": SIGNER}, "'other', which is not configured; configured signers: key"),
    ],
)
def test_a_write_without_a_configured_signer_says_which_there_are(
    signer: str | None, signers: dict[str, ModelSigner], words: str
) -> None:
    with pytest.raises(SignerNotConfigured, match=words):
        Invoker({1337: CHAIN}, signers).prepare(chain_agent(signer=signer), CONTRACT, Action("set"))
