"""Which images `make test-compose` runs: official ones where they can be had, else stand-ins."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stack.errors import Fault
from stack.parts import lineup
from stack.parts.lineup import LineUp
from stack.readiness import ways
from stack.settings import Settings, read_env_file

OFFICIAL_KEY = "OFFICIAL_IMAGES"
WISHES = ("", "official", "stand-in")
_STORES = {"TEMPO_IMAGE", "LOKI_IMAGE"}
_EMBEDDED = (lineup.TRACES.embedded, lineup.LOGS.embedded)


@dataclass(frozen=True)
class Cast:
    """The keys of `.env` whose images are used as they are, and the stores that run."""

    official: tuple[str, ...]
    lineup: LineUp

    def words(self) -> dict[str, str]:
        """The cast as the tests' own process reads it."""
        return {OFFICIAL_KEY: " ".join(self.official), **lineup.words(self.lineup)}

    def files(self) -> tuple[str, ...]:
        """compose.yaml and what has to be changed in it for this cast."""
        grafana = () if self.lineup.grafana else ("tests/compose/without-grafana.yaml",)
        embedded = self.lineup.stores == _EMBEDDED
        stores = ("tests/compose/embedded-stores.yaml",) if embedded else ()
        return ("compose.yaml", *grafana, *stores)


def held(settings: Settings) -> set[str]:
    """The official images that our own engine holds since an earlier run, by tag."""
    file = settings.cache / "docker" / "data" / "official-images"
    return set(file.read_text().split()) if file.exists() else set()


def hold(settings: Settings, tag: str) -> None:
    """Note that the engine holds this official image; the note goes when its data goes."""
    file = settings.cache / "docker" / "data" / "official-images"
    file.write_text("\n".join(sorted(held(settings) | {tag})))


def _tags(settings: Settings) -> dict[str, str]:
    """The images of the CPU profile; other variables of the caller may end in _IMAGE too."""
    ours = read_env_file(settings.repo / ".env")
    named = {key: settings.values[key] for key in ours}
    return ways.images({**named, "COMPOSE_PROFILES": "cpu"})


def _had(tags: Mapping[str, str], settings: Settings, probes: ways.Probes) -> list[str]:
    """The keys whose image our engine holds or some registry offers."""
    here = held(settings)
    with ThreadPoolExecutor(len(tags)) as pool:
        answers = pool.map(lambda tag: tag in here or probes.can_pull(tag), tags.values())
        return [key for key, ok in zip(tags, answers, strict=True) if ok]


def _check_pins(tags: Mapping[str, str], had: list[str], wish: str) -> None:
    """Raise Fault for an image that is missing where it should not be: its tag may be wrong."""
    offering = {ways.registry(tags[key]) for key in had}
    absent = [tag for key, tag in tags.items() if key not in had]
    wrong = [tag for tag in absent if wish == "official" or ways.registry(tag) in offering]
    if wrong:
        why = "TEST_IMAGES=official" if wish == "official" else "others of its registry can"
        raise Fault(f"{', '.join(wrong)} cannot be had, but {why}", "mend the tag in .env")


def _stores(settings: Settings, official: list[str]) -> tuple[str, str]:
    """Tempo and Loki where both can be had, official or on PATH; else the embedded two."""
    if set(official) >= _STORES:
        return lineup.COMPOSE.stores
    native = lineup.choose(settings).lineup.stores
    return native if native == lineup.COMPOSE.stores else _EMBEDDED


def choose(settings: Settings, probes: ways.Probes) -> Cast:
    """The cast for this machine; TEST_IMAGES=official or =stand-in decides when set."""
    wish = settings.values.get("TEST_IMAGES", "")
    if wish not in WISHES:
        raise Fault(f"TEST_IMAGES={wish} is unknown", "use official or stand-in")
    tags = _tags(settings)
    official = [] if wish == "stand-in" else _had(tags, settings, probes)
    if wish != "stand-in":
        _check_pins(tags, official, wish)
    stores = _stores(settings, official)
    # Its data sources are Tempo and Loki.
    grafana = "GRAFANA_IMAGE" in official and stores == lineup.COMPOSE.stores
    return Cast(tuple(official), LineUp(*stores, grafana))


def shown(settings: Settings, cast: Cast) -> list[str]:
    """What runs, in lines for people."""
    tags = [settings.values[key] for key in cast.official]
    grafana = "" if cast.lineup.grafana else ", no grafana (official image, Tempo and Loki needed)"
    return [
        f"official images: {', '.join(tags) or 'none can be had'}; stand-ins for the others",
        f"stores: {cast.lineup.traces} and {cast.lineup.logs}{grafana}",
    ]
