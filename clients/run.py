"""The run: every client talks, the stores are read, each cell is judged."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clients import evidence, judge, rows
from clients.cell import Cell
from clients.conversation import Conversation, Place
from clients.evidence import Left
from loadtest.reconcile.price_check import price_list
from stack.errors import Fault
from stack.request.show import count
from stack.say import say, step
from stack.settings import Settings
from stack.stores.running import stores


@dataclass(frozen=True)
class Asked:
    """Which rows and columns, and by feature, or `browser`, what the server lacks for them."""

    clients: Sequence[str]
    features: Sequence[str]
    lacks: Mapping[str, str]

    def unasked(self, client: str, feature: str) -> str:
        """Why this cell is not asked, empty where it is."""
        if client == rows.BROWSER and feature != "stranger" and rows.BROWSER in self.lacks:
            return self.lacks[rows.BROWSER]
        return self.lacks.get(feature, "")


def _talk(name: str, place: Place, asked: Asked) -> tuple[list[Conversation], list[Cell]]:
    """What one client said, and its cells that are not asked."""
    if missing := rows.missing(name):
        say(f"  - {name}: not asked, {missing}")
        features = [feature for feature in asked.features if feature != "stranger"]
        return [], [Cell(name, feature, unasked=missing) for feature in features]
    own = [feature for feature in rows.features_of(name) if feature in asked.features]
    whys = {feature: asked.unasked(name, feature) for feature in own}
    held = [Cell(name, feature, unasked=why) for feature, why in whys.items() if why]
    wanted = [feature for feature, why in whys.items() if not why]
    if not wanted:
        return [], held
    with step(f"{name} ({rows.versions(name)})"):
        return rows.converse(name, place, wanted), held


def _cells(
    talks: Sequence[Conversation], left: Mapping[str, Left], settings: Settings
) -> Iterator[Cell]:
    prices = price_list(settings)
    if isinstance(prices, str):
        raise Fault(prices, "mend the file that LLM_SERVER_PRICES names")
    for talk in talks:
        found = [
            fault
            for said in talk.said
            for fault in judge.faults(said, left[said.caller_id], prices)
        ]
        yield Cell(talk.client, talk.feature, len(talk.said), tuple(found))


def run(settings: Settings, place: Place, asked: Asked) -> list[Cell]:
    """Every cell; raises Fault where the stores do not answer or a client cannot be started."""
    began, held = time.time(), list[Cell]()
    talks = list[Conversation]()
    for name in asked.clients:
        spoken, kept = _talk(name, place, asked)
        talks, held = talks + spoken, held + kept
    said = [each for talk in talks for each in talk.said]
    where = stores(settings)
    with step(f"{count(len(said), 'request')}: records, traces and prices"):
        records = evidence.records(where, said, began)
        cells = [*_cells(talks, evidence.left(where, said, records), settings), *held]
    if unknown := evidence.strangers(place.run, said, records):
        raise Fault(f"{len(unknown)} records of requests that no client speaks of: {unknown[0]}")
    return cells


def new_run() -> str:
    """A name that no other run has, which begins the ids of its requests."""
    return f"clients-{secrets.token_hex(4)}"
