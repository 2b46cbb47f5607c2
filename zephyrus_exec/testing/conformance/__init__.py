"""What every server of the protocol must do, as suites, and a command that runs them over a URL.

    python -m zephyrus_exec.testing.conformance ws://HOST:PORT --agent ID

They say every frame themselves and share no code with our client. A suite is subclassed in a pytest
module of whoever wrote a server::

    class TestMyServer(V2ServerConformance):
        agent_id = "an agent that ends soon, and may be executed again and again"

        def connect(self, subprotocols=()):
            return connected("ws://127.0.0.1:8765", subprotocols)
"""

from .peer import Peer, connected
from .suite import ServerConformance
from .v1 import V1ServerConformance
from .v2 import V2ServerConformance

__all__ = [
    "Peer",
    "ServerConformance",
    "V1ServerConformance",
    "V2ServerConformance",
    "connected",
]
