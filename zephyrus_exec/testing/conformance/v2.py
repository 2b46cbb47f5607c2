"""The suite of v2."""

from __future__ import annotations

from .v2_executing import ExecutingConformance
from .v2_opening import OpeningConformance
from .v2_watching import WatchingConformance


class V2ServerConformance(WatchingConformance, ExecutingConformance, OpeningConformance):
    """The promises of a server that speaks v2. Subclasses say where it is, and name its agents.

    It executes `agent_id` some hundred times.
    """
