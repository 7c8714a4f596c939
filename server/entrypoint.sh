#!/bin/sh
# Container start: makes the embedded model on first use, then becomes `python3 -m server`.
set -eu

if [ "${MODEL:-tiny}" = tiny ]; then
    # Its last line is the model's folder; progress goes to stderr.
    # 69 is a start that failed, as in server/exits.py.
    made=$(python3 -m server.tiny_model) || exit 69
    MODEL=$(printf '%s\n' "$made" | tail -n 1)
    SERVED_MODEL_NAME=${SERVED_MODEL_NAME:-tiny-llama}
    VLLM_ARGS=${VLLM_ARGS:-${VLLM_ARGS_TINY:-}}
fi

# VLLM_ARGS holds several flags, so the shell is to split it.
# shellcheck disable=SC2086
exec python3 -m server --model "$MODEL" --served-model-name "${SERVED_MODEL_NAME:-$MODEL}" \
    --host 0.0.0.0 --port 8000 ${VLLM_ARGS:-} "$@"
