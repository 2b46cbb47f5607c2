"""The settings of `serve`: flags beat the environment, which beats the file, which beats defaults.

`variables.VARIABLES` lists what is read of the environment. A variable that is set to nothing
counts as not set.
"""

from __future__ import annotations

from .access import AccessSettings
from .chains import shown
from .dotenv import DOTENV, read_dotenv
from .load import load_settings
from .settings import ChainRules, KeySettings, KeystoreSettings, Limits, Settings, SignerSettings
from .values import LANGUAGES, MEMORY_STORE, is_url
from .variables import find_misfits

__all__ = [
    "DOTENV",
    "LANGUAGES",
    "MEMORY_STORE",
    "AccessSettings",
    "ChainRules",
    "KeySettings",
    "KeystoreSettings",
    "Limits",
    "Settings",
    "SignerSettings",
    "find_misfits",
    "is_url",
    "load_settings",
    "read_dotenv",
    "shown",
]
