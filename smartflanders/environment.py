"""What a command learns from its options and the environment: the settings, and a database that answers."""

from __future__ import annotations

import argparse
import os

from streams.errors import ConfigError, LogError, Problem
from streams.migrate import check
from streams.settings import Settings, load_settings


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Read the settings; options of the command win over the environment."""
    environ: dict[str, str] = dict(os.environ)
    for option in ("port", "host", "data"):
        value = getattr(arguments, option, None)
        if value is not None:
            environ[f"SF_{option.upper()}"] = str(value)
    return load_settings(environ)


def database(settings: Settings) -> str:
    """Return the address of the database.

    Raises:
        ConfigError: it is not set.

    """
    if settings.database_url is None:
        fix = "set SF_DATABASE_URL, or let `smartflanders up` bring its own PostgreSQL"
        raise ConfigError([Problem(where="SF_DATABASE_URL", what="missing", fix=fix)], where="the environment")
    return settings.database_url


async def require_database(settings: Settings) -> str:
    """Return the address of the database once it has answered and its schema is this code's.

    Raises:
        ConfigError: it is not set, does not answer, or has another schema.

    """
    dsn = database(settings)
    await require("SF_DATABASE_URL", dsn)
    return dsn


async def require(setting: str, dsn: str) -> None:
    """Return once the database of a setting has answered and its schema is this code's, else raise `ConfigError`."""
    try:
        await check(dsn)
    except LogError as error:
        fix = f"start that PostgreSQL, or mend {setting}" if error.retriable else error.fix
        raise ConfigError([Problem(where=setting, what=error.what, fix=fix)], where="the environment") from error
