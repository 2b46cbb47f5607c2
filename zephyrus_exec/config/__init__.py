"""The settings of `serve`: flags beat the environment, which beats the file, which beats defaults.

Environment: `WS_HOST`, `WS_PORT`, `PORT` (beats `WS_PORT`), `ZEPHYRUS_STORE`,
`ZEPHYRUS_LANGUAGE`, `ZEPHYRUS_DRAIN_TIMEOUT`, `ZEPHYRUS_RPC_<CHAINID>`, and for the signer called
NAME (in lower case) `ZEPHYRUS_KEYSTORE_<NAME>` with `ZEPHYRUS_KEYSTORE_PASSWORD_<NAME>` or
`ZEPHYRUS_KEYSTORE_PASSWORD_<NAME>_FILE`, or, for development only, `ZEPHYRUS_KEY_<NAME>`. A
variable that is set to nothing counts as not set.
"""

from __future__ import annotations

from .access import AccessSettings
from .load import load_settings
from .settings import ChainRules, KeySettings, KeystoreSettings, Limits, Settings, SignerSettings
from .values import LANGUAGES, MEMORY_STORE

__all__ = [
    "LANGUAGES",
    "MEMORY_STORE",
    "AccessSettings",
    "ChainRules",
    "KeySettings",
    "KeystoreSettings",
    "Limits",
    "Settings",
    "SignerSettings",
    "load_settings",
]
