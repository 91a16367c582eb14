#!/usr/bin/env bash
# Restarts proxies one after the other: proxies.sh 4000=http://localhost:9000 4001=http://localhost:9001
set -euo pipefail

# SIGTERM, the end of its drain, and its successor.
restart() { systemctl restart "socket.io-proxy@$1"; }

for proxy in "$@"; do
  restart "${proxy%%=*}"
  until curl --silent --fail --output /dev/null "${proxy#*=}/readyz"; do sleep 0.2; done
  echo "${proxy%%=*} is ready"
done
