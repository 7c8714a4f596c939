#!/bin/sh
# Healthy means that Grafana answers and, through it, each provisioned data source: /api/health alone
# stays green while a data source's plugin is lost. Needs nothing but busybox, as the image has it.
set -u

host=${GRAFANA_HOST:-127.0.0.1}
port=${GRAFANA_PORT:-3000}
secret=${GRAFANA_PASSWORD_FILE:-/run/secrets/grafana_admin_password}
refused=${TMPDIR:-/tmp}/password-refused

# The status code of a GET of $1 with the header $2, nothing without an answer. By nc and not by
# wget, on whose command line the password would stand; printf is the shell's own.
status() {
    printf 'GET %s HTTP/1.0\r\n%s\r\n\r\n' "$1" "$2" |
        nc -w 5 "$host" "$port" 2>/dev/null |
        { read -r _ code _; cat >/dev/null; printf '%s' "$code"; }
}

expect_200() {
    code=$(status "$1" "$2")
    [ "$code" = 200 ] || { echo "GET $1: ${code:-no answer}"; exit 1; }
}

expect_200 /api/health "Host: $host"

# Grafana locks an account that fails five times in five minutes. Whoever changed the password there
# but not in the file is not to be locked out: nothing more is asked until the file is written.
# shellcheck disable=SC3013
[ "$refused" -nt "$secret" ] && exit 0
login="Authorization: Basic $(printf 'admin:%s' "$(cat "$secret")" | base64 | tr -d '\n')"
if [ "$(status /api/user "$login")" = 401 ]; then
    : >"$refused"
    echo "Grafana refuses the password in $secret, so its data sources are not asked"
    exit 0
fi

expect_200 /api/datasources/uid/prometheus/health "$login"
expect_200 /api/datasources/uid/loki/health "$login"
# Through the proxy, since not every version of these plugins has a health check.
expect_200 /api/datasources/proxy/uid/tempo/api/echo "$login"
expect_200 /api/datasources/proxy/uid/alertmanager/api/v2/status "$login"
