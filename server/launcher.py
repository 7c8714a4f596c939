"""Starts vLLM's own OpenAI server around ObservedLLM and our middleware."""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvloop
import vllm.envs as envs
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.api_server.entry import build_and_serve
from vllm.entrypoints.launchers.cli_args import (
    propagate_flash_late_interaction,
    validate_parsed_serve_args,
)
from vllm.entrypoints.launchers.launcher import setup_server
from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
from vllm.logger import configure_logging_from_args
from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager
from vllm.usage.usage_lib import UsageContext
from vllm.utils.system_utils import decorate_logs
from vllm.v1.executor import Executor

from server.assembly import Parts
from server.engine_client import abilities, seams, stat_logger
from server.engine_client.observed_engine import ObservedLLM
from server.exits import Exit, NotStartedError, say, starting
from server.flags import parse, served_models
from server.gateway import middleware
from server.leaving import End
from server.ledger.device_ledger import Ledger
from server.preflight import refuse
from server.pricing.price_file import watch
from server.readiness.watch import Watch
from server.requests import saturation
from server.requests.lifecycle import Observer
from server.settings import SettingsError, cannot_listen, read_settings
from server.signals import otel_environment
from server.signals.exposition import LAST_SCRAPE_SECONDS, Exposition
from server.signals.hook_errors import guarded

_log = logging.getLogger("server.launcher")
_LOOK_SECONDS = 0.2


def _listen(args: Namespace) -> tuple[str, socket.socket]:
    try:
        return setup_server(args, reuse_port=False)
    except OverflowError as error:
        fix = f"{args.port} is no port: choose one from 0 to 65535"
        raise SettingsError("command line", "--port", fix) from error
    except OSError as error:
        if args.uds:
            fix = f"{args.uds} cannot be made ({error.strerror})"
            raise SettingsError("command line", "--uds", fix) from error
        keys = ("--host", "--port")
        raise cannot_listen("command line", keys, args.host, args.port, error) from error


def keep_root_level() -> None:
    """Make the root logger's level of now stay: it says what of all libraries is logged.

    vLLM imports model_hosting_container_standards for routes that are closed here, which sets it to
    this variable, else to a shell's LOG_LEVEL, else to ERROR: no warning of an exporter was seen.
    """
    os.environ["SAGEMAKER_CONTAINER_LOG_LEVEL"] = str(logging.root.level)


async def serve(args: Namespace, parts: Parts, address: str, sock: socket.socket) -> bool:
    """Serve on the bound socket until stopped; True when the engine died by itself."""
    decorate_logs("APIServer", skip_if_decorated=True)
    signal.signal(signal.SIGTERM, _interrupt)
    seams.install()
    with starting(args):
        _import_plugins(args)
        engine, ledger = await _start_engine(args, parts)
    try:
        with starting(args):
            ending = await _build_and_serve(engine, ledger, args, parts, address, sock)
    finally:
        engine.shutdown(timeout=engine.vllm_config.shutdown_timeout)
    try:
        await ending
    finally:
        sock.close()
    return engine.died


async def _build_and_serve(
    engine: ObservedLLM,
    ledger: Ledger,
    args: Namespace,
    parts: Parts,
    address: str,
    sock: socket.socket,
) -> asyncio.Task[None]:
    tasks = abilities.of(await engine.get_supported_tasks(), engine.model_config)
    gate = parts.gate(tasks, args.cors, ledger)
    observer = gate.observer
    observer.create_label_sets()
    parts.keep_books(observer, ledger)
    middleware.install(gate)
    parts.readiness.watch_engine(lambda: engine.errored)
    engine_watch = Watch(engine, parts.pulse, parts.readiness, parts.settings.stall_seconds)
    async with _beside(
        _recover(parts.exposition, observer),
        watch(parts.prices, observer.create_cost_label_sets),
        saturation.watch_event_loop(),
        engine_watch.run(),
    ):
        ledger.ready(time.monotonic_ns())
        return await build_and_serve(engine, address, sock, args)


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _recover(exposition: Exposition, observer: Observer) -> None:
    # After a scrape has seen the counters at 0: `killed` counted before it would rise unseen. Who
    # asks now may be anybody, so the time of one scrape is waited whoever does.
    created = time.monotonic()
    await asyncio.sleep(LAST_SCRAPE_SECONDS)
    until = time.monotonic() + LAST_SCRAPE_SECONDS
    while not exposition.wait_for_scrapers(created, 0.0) and time.monotonic() < until:
        await asyncio.sleep(_LOOK_SECONDS)
    with guarded("recover"):
        observer.recover(await asyncio.to_thread(observer.leftovers))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


def _import_plugins(args: Namespace) -> None:
    if args.tool_parser_plugin:
        ToolParserManager.import_tool_parser(args.tool_parser_plugin)
    if args.reasoning_parser_plugin:
        ReasoningParserManager.import_reasoning_parser(args.reasoning_parser_plugin)


async def _start_engine(args: Namespace, parts: Parts) -> tuple[ObservedLLM, Ledger]:
    engine_args = AsyncEngineArgs.from_cli_args(args)
    propagate_flash_late_interaction(args, engine_args)
    context = UsageContext.OPENAI_API_SERVER
    config = engine_args.create_engine_config(usage_context=context)
    envs.enable_envs_cache()
    ledger = parts.ledger(config)
    # AsyncLLM.from_vllm_config would do the same, but has no place for a ledger.
    engine = ObservedLLM(
        ledger,
        parts.readiness,
        vllm_config=config,
        executor_class=Executor.get_class(config),
        log_stats=True,
        usage_context=context,
        log_requests=engine_args.enable_log_requests,
        aggregate_engine_logging=engine_args.aggregate_engine_logging,
        stat_loggers=[stat_logger.factory(ledger, parts.pulse)],
    )
    await engine.reset_mm_cache()
    return engine, ledger


def main() -> None:
    """Entry point; ends with one of server/exits.py's codes."""
    cli_env_setup()
    try:
        args = parse()
        with starting(args):
            parts = Parts(read_settings(os.environ), served_models(args))
            address, sock = _listen(args)
            configure_logging_from_args(args)
            keep_root_level()
            validate_parsed_serve_args(args)
    except SettingsError as error:
        refuse(error)
    except NotStartedError as error:
        _tell(error)
        sys.exit(Exit.NOT_STARTED)
    if names := otel_environment.ignored():
        _log.warning("ignored, as they would change what is measured or where it goes: %s", names)
    sys.exit(run(args, parts, address, sock))


def run(args: Namespace, parts: Parts, address: str, sock: socket.socket) -> Exit:
    """Serve until the end, say the last words, and tell why it ended."""
    ending = Exit.FAILED
    try:
        ending = Exit.FAILED if uvloop.run(serve(args, parts, address, sock)) else Exit.STOPPED
    except (KeyboardInterrupt, asyncio.CancelledError):
        ending = Exit.STOPPED
    except SettingsError as error:
        ending = Exit.BAD_SETTING
        say(error)
    except NotStartedError as error:
        ending = Exit.NOT_STARTED
        _tell(error)
    except Exception:
        _log.critical("the server failed", exc_info=True)
    finally:
        if ending is Exit.FAILED:
            _log.critical("exit %d: %s", ending, ending.meaning)
        parts.leaving.leave(End(died=ending is Exit.FAILED))
    return ending


def _tell(error: NotStartedError) -> None:
    ending = Exit.NOT_STARTED
    _log.critical("exit %d: %s: %s", ending, ending.meaning, error, exc_info=error.__cause__)
