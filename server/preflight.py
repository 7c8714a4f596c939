"""What the operator wrote, read before vLLM is imported: a typing error shows at once."""

import sys
from collections.abc import Mapping
from typing import NoReturn

from server.budgets import check_tenants, read_budgets
from server.prices import read_prices
from server.settings import SettingsError, read_settings
from server.tenants import read_tenants

BAD_SETTING = 78
"""Exit status (EX_CONFIG) for a setting that stops the start."""


def refuse(error: SettingsError) -> NoReturn:
    """Say why the server cannot start, and end."""
    print(f"llm-server cannot start: {error}", file=sys.stderr, flush=True)
    sys.exit(BAD_SETTING)


def check(env: Mapping[str, str]) -> None:
    """Read the environment and the files it names; ends with BAD_SETTING at the first fault."""
    try:
        settings = read_settings(env)
        read_prices(settings.prices_file)
        tenants = read_tenants(settings.keys_file)
        budgets = read_budgets(settings.budgets_file)
        check_tenants(settings.budgets_file, budgets, tenants.names)
    except SettingsError as error:
        refuse(error)
