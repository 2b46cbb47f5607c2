"""The handler that FastAPI's documentation leads to, with pydantic for every message.

A module of its own: FastAPI reads annotations, which only names at module level can resolve.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field


class Execute(BaseModel):
    """A request."""

    type: Literal["execute", "websocket_execution"]
    agent_id: str = Field(min_length=1, max_length=256)


class Started(BaseModel):
    """What is in the first reply."""

    success: bool = True
    message: str
    status: Literal["started"] = "started"


class Completed(BaseModel):
    """What is in the second."""

    success: bool = True
    results: list[dict[str, Any]] = []
    agent_id: str
    execution_count: int = 0
    status: Literal["completed"] = "completed"


class Response(BaseModel):
    """A reply."""

    type: Literal["execution_response"] = "execution_response"
    data: Started | Completed


app = FastAPI()


@app.websocket("/")
async def handle(websocket: WebSocket) -> None:
    """Answer each request with `started` and `completed`."""
    await websocket.accept()
    try:
        while True:
            request = Execute.model_validate_json(await websocket.receive_text())
            started = Started(message=f"Iniciando {request.agent_id}")
            await websocket.send_text(Response(data=started).model_dump_json())
            completed = Completed(agent_id=request.agent_id)
            await websocket.send_text(Response(data=completed).model_dump_json())
    except WebSocketDisconnect:
        pass
