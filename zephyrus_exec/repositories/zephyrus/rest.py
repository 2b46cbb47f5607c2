"""The REST API that deployed Zephyrus systems read their agents from (`DB_API_URL`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from ...errors import ConfigurationError, RepositoryUnavailable
from ...model import Agent
from ..definitions import not_found
from .rows import Refusal, Row, parse_json, shown, snake
from .tables import Tables

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 3
_NOT_FOUND: Final = 404
_OK: Final = 200
_LONGEST_ID: Final = 256
_SAYS_NOT_FOUND: Final = re.compile(r"not found|no encontrad|no existe", re.IGNORECASE)


def is_askable(name: str) -> bool:
    """Return whether an id can stand in a URL's path without becoming something else there."""
    if not 1 <= len(name) <= _LONGEST_ID or name in (".", ".."):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in name)


class ZephyrusApi:
    """Reads rows from the API, one request for each question, retrying nothing.

    Args:
        url: What the paths begin with, such as `https://example.org/api/db`; it may hold
            secrets, so only its host appears in errors.
        request_timeout: Seconds one request may take, redirects included.
        max_answer_bytes: Largest answer that is read.
    """

    def __init__(
        self, url: str, *, request_timeout: float = 10.0, max_answer_bytes: int = 4 << 20
    ) -> None:
        self._base = _base(url)
        self.host = self._base.host or ""
        """Where it is, for people."""
        self._timeout = ClientTimeout(total=request_timeout)
        self._max_answer_bytes = max_answer_bytes
        self._session: ClientSession | None = None

    async def aclose(self) -> None:
        """Close the connections; closing again does nothing."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- questions

    async def tables_of(self, agent_id: str) -> Tables:
        """Return the rows of one agent: its own, its functions', their parameters', schedules'.

        Raises:
            AgentNotFound: There is none.
            RepositoryUnavailable: Not all of it could be read.
        """
        agent = await self._agent(agent_id)
        functions = _rows(await self._ask("agents", agent_id, "functions"), "functions")
        tables = Tables().plus("agents", [agent])
        for function in functions:
            parameters = await self._parameters(function)
            tables = tables.plus("agent_functions", [function])
            tables = tables.plus("agent_function_params", parameters)
        schedules = await self._ask("agents", agent_id, "schedules", optional=True)
        return tables.plus("agent_schedules", _rows(schedules, "schedules"))

    async def agents_of(self, contract_id: str) -> tuple[str, ...]:
        """Return the ids of a contract's agents; the API has no path for the contract itself.

        Raises:
            RepositoryUnavailable: It cannot be asked now.
        """
        if not is_askable(contract_id):
            return ()
        rows = _rows(await self._ask("agents", contract_id, optional=True), "agents")
        found = [_row(row, "an agent") for row in rows]
        return tuple(sorted({row.text("agent_id") for row in found} - {""}))

    async def _agent(self, agent_id: str) -> object:
        if not is_askable(agent_id):
            raise not_found(Agent, agent_id)
        answer = await self._ask("agents", "getById", agent_id, optional=True)
        for row in _rows(answer, "an agent"):
            if _row(row, "an agent").text("agent_id") == agent_id:
                return row
        raise not_found(Agent, agent_id)

    async def _parameters(self, function: object) -> list[object]:
        """Return the rows of a function's parameters, unless its own row brought them along.

        Rows that are none, or another function's, would be rules that get lost.
        """
        row = _row(function, "a function")
        name = row.text("function_id")
        if row.get("parameters") is not None or row.get("params") is not None:
            return []
        if not is_askable(name):
            return []
        what = f"the parameters of {name}"
        rows = _rows(await self._ask("functions", name, "params", optional=True), what)
        if any(_row(one, what).text("function_id") not in ("", name) for one in rows):
            raise self._unavailable(f"answered with {what[:100]} that are another's")
        return [_bound_to(name, row) for row in rows if isinstance(row, dict)]

    # --- requests

    async def _ask(self, *path: str, optional: bool = False) -> object:
        """Return the JSON that a path is answered with; null: nothing is there, if `optional`.

        Raises:
            RepositoryUnavailable: There is no usable answer.
        """
        quoted = "/".join(quote(part, safe="") for part in path)
        url = URL(f"{self._base}/{quoted}", encoded=True)
        try:
            status, body = await self._get(url)
        except TimeoutError:
            raise self._unavailable("did not answer in time") from None
        except (ClientError, OSError) as error:
            raise self._unavailable(f"cannot be reached ({type(error).__name__})") from None
        if status == _NOT_FOUND and optional:
            return None
        if status != _OK:
            raise self._unavailable(f"answered HTTP {status}")
        try:
            answer = parse_json(body.decode())
        except ValueError:
            raise self._unavailable("answered something that is no JSON") from None
        return self._data(answer, optional=optional)

    def _data(self, answer: object, *, optional: bool) -> object:
        """Return what an answer holds: itself, or its `data`."""
        if not isinstance(answer, Mapping) or "success" not in answer:
            return answer
        if answer["success"] is True:
            return answer.get("data")
        said = str(answer.get("error") or answer.get("message") or "")
        if optional and (not said or _SAYS_NOT_FOUND.search(said)):
            return None
        raise self._unavailable(f"answered that it failed: {shown(said)}")

    async def _get(self, url: URL) -> tuple[int, bytes]:
        session = self._session = self._session or ClientSession(timeout=self._timeout)
        for _ in range(_MOST_REDIRECTS + 1):
            async with session.get(url, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return response.status, await self._body(response)
                url = self._followed(url, response.headers.get("Location", ""))
        raise self._unavailable("redirects again and again")

    def _followed(self, url: URL, location: str) -> URL:
        """Return where a redirect leads, as long as that is on the same host."""
        try:
            target = url.join(URL(location, encoded=True))
        except ValueError:
            target = URL()
        same = (url.scheme, url.port), ("https", 443)
        if target.host != url.host or (target.scheme, target.port) not in same:
            raise self._unavailable(
                f"redirects to {target.host or 'nowhere'}, which is not followed; "
                "write the URL of where it is"
            )
        return target

    async def _body(self, response: ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_answer_bytes:
                response.close()
                raise self._unavailable(f"answered more than {self._max_answer_bytes} bytes")
        return bytes(body)

    def _unavailable(self, problem: str) -> RepositoryUnavailable:
        return RepositoryUnavailable(f"the Zephyrus API at {self.host} {problem}")


def _base(url: str) -> URL:
    try:
        base = URL(url.rstrip("/"))
    except ValueError:
        base = URL()
    if base.scheme not in ("http", "https") or not base.host or base.query_string or base.fragment:
        raise ConfigurationError(
            "that is no URL of a Zephyrus API; write one such as https://example.org/api/db"
        )
    return base


def _rows(answer: object, what: str) -> list[object]:
    """Return an answer's rows: a list, one row, or none."""
    if answer is None:
        return []
    if isinstance(answer, list):
        return answer
    if isinstance(answer, Mapping):
        return [answer] if answer else []
    raise RepositoryUnavailable(f"the Zephyrus API answered {shown(answer)} for {what}")


def _bound_to(name: str, row: Mapping[str, object]) -> dict[str, object]:
    """Return a row of parameters that names its function once."""
    kept = {column: value for column, value in row.items() if snake(column) != "function_id"}
    return {"function_id": name, **kept}


def _row(data: object, what: str) -> Row:
    try:
        return Row(data)
    except Refusal:
        raise RepositoryUnavailable(f"the Zephyrus API answered {shown(data)} for {what}") from None
