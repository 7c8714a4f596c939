"""What the operator wrote, read before vLLM is imported: a typing error shows at once."""

import sys
from collections.abc import Mapping
from typing import NoReturn

from server.exits import Exit, say
from server.gateway.api_keys import read_tenants
from server.pricing.budgets import check_tenants, read_budgets
from server.pricing.price_list import read_prices
from server.settings import Settings, SettingsError, read_settings


def refuse(error: SettingsError) -> NoReturn:
    """Say why the server cannot start, and end."""
    say(error)
    sys.exit(Exit.BAD_SETTING)


def check(env: Mapping[str, str]) -> Settings:
    """Read the environment and the files it names; ends with 78 at the first fault."""
    try:
        settings = read_settings(env)
        read_prices(settings.prices_file)
        tenants = read_tenants(settings.keys_file)
        budgets = read_budgets(settings.budgets_file)
        check_tenants(settings.budgets_file, budgets, tenants.names)
        return settings
    except SettingsError as error:
        refuse(error)
