"""The flags of `vllm serve`: which our accounting cannot hold, and which observing sets."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import vllm.envs as envs
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

from server.exits import starting
from server.gateway.cors import Cors
from server.requests.models import Models
from server.settings import SettingsError
from server.signals.instruments import VLLM_BUCKETS
from server.signals.labels import refuse_other

REFUSED = {
    "api_server_count": "one process must see every request: run one server per port instead",
    "data_parallel_size": "one account holds one engine: run one server per replica",
    "data_parallel_rank": "one account holds one engine: run one server per replica",
    "headless": "there would be no API to observe",
    "grpc": "requests over gRPC would pass unobserved",
    "grpc_port": "requests over gRPC would pass unobserved",
    "enable_elastic_ep": "engines that come and go cannot be accounted for",
    "disable_log_stats": "tokens and phase times come from these statistics",
    "api_key": "name a file of keys and tenants in LLM_SERVER_KEYS instead",
    "log_config_file": "server/logging.json puts the trace_id on every line",
}
"""Flags of `vllm serve` that we cannot account for, and why."""
_ONE_PROCESS = ("api_server_count", 1)


def refuse_flags(args: Namespace, defaults: Namespace) -> None:
    """Raise SettingsError for the first flag that our accounting cannot hold."""
    for name, why in REFUSED.items():
        value = getattr(args, name, None)
        if value != getattr(defaults, name, None) and (name, value) != _ONE_PROCESS:
            flag = "--" + name.replace("_", "-")
            raise SettingsError("command line", flag, f"cannot be used here: {why}")
    if envs.VLLM_USE_RUST_FRONTEND:
        fix = "unset it: requests to the Rust front end would pass unobserved"
        raise SettingsError("environment", "VLLM_USE_RUST_FRONTEND", fix)
    if envs.VLLM_ENABLE_RESPONSES_API_STORE:
        fix = "unset it: a response that is made after its request has no record, and none is freed"
        raise SettingsError("environment", "VLLM_ENABLE_RESPONSES_API_STORE", fix)


class _Parser(FlexibleArgumentParser):
    """Says what is wrong in one line, where argparse prints the usage of 200 flags and exits 2."""

    def error(self, message: str) -> NoReturn:
        """Raise SettingsError with the flag that argparse found wrong."""
        name, _, fix = message.removeprefix("argument ").partition(": ")
        raise SettingsError("command line", name, " ".join(fix.split()))


def parse(argv: Sequence[str] | None = None) -> Namespace:
    """Parse the flags of `vllm serve` and set those that observing needs.

    Raises SettingsError for the first flag that is wrong.
    """
    parser = make_arg_parser(_Parser(description="vLLM's OpenAI server, observed."))
    with starting(Namespace()):
        args = parser.parse_args(argv)
    refuse_flags(args, parser.parse_args([]))
    if getattr(args, "model_tag", None) is not None:
        args.model = args.model_tag
    args.host = args.host or "127.0.0.1"
    args.middleware = [*args.middleware, "server.gateway.middleware.Middleware"]
    args.cors = Cors.taken_from(args)
    args.disable_fastapi_docs = True
    # request_finished says all that an access line does, and more.
    args.disable_uvicorn_access_log = True
    args.log_config_file = str(Path(__file__).with_name("logging.json"))
    # Or every request would have a second, unrelated llm_request span.
    args.otlp_traces_endpoint = None
    args.custom_histogram_buckets = args.custom_histogram_buckets or VLLM_BUCKETS
    return args


def served_models(args: Namespace) -> Models:
    """What is served: the model's names and the LoRA adapters that are known at the start.

    Raises SettingsError for one that is a label of everything unknown.
    """
    names = args.served_model_name or [args.model]
    served = [names] if isinstance(names, str) else names
    adapters = [adapter.name for adapter in args.lora_modules or ()]
    for flag, given in (("--served-model-name", served), ("--lora-modules", adapters)):
        for name in given:
            refuse_other("command line", flag, name)
    return Models(served, adapters)
