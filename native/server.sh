#!/bin/sh
# Becomes the server. If the one before was killed outright its engine lives on, with the model in
# memory and nobody to serve; this ends it first, by the mark that every process of it inherited.
set -eu

for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    [ "$pid" != "$$" ] || continue
    grep -qzxF "LLM_OBSERVABILITY_SERVER=$STATE_DIR" "$process/environ" 2>/dev/null || continue
    echo "native/server.sh: ending process $pid, left over from a server that was killed" >&2
    kill -KILL "$pid" 2>/dev/null || true
done

# VLLM_ARGS holds several flags, so the shell is to split it.
# shellcheck disable=SC2086
exec "$VENV/bin/python" -m server --model "$MODEL" --served-model-name "$SERVED_MODEL_NAME" \
    --host 127.0.0.1 --port 8000 ${VLLM_ARGS:-}
