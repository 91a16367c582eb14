#!/usr/bin/env bash
# Replaces Socket.IO servers by new ones: hosts.sh 'localhost:3000 localhost:3001' 'localhost:3002 localhost:3003'
set -euo pipefail

ADMIN=${ADMIN:-http://localhost:9000} # the admin server of any proxy of the fleet
MOVES=${MOVES:-5}                     # how many sessions of each old host are moved a second
read -ra old <<< "$1"
read -ra new <<< "$2"

start() { systemctl start "socket.io-server@${1##*:}"; }
stop() { systemctl stop "socket.io-server@${1##*:}"; }
admin() { curl --silent --show-error ${TOKEN:+--header "Authorization: Bearer $TOKEN"} "$@"; }

# A mistaken name ends the script here, before anything changes.
for host in "${old[@]}"; do admin --fail --output /dev/null "$ADMIN/api/hosts/$host"; done

for host in "${new[@]}"; do start "$host"; done
names=$(printf ',"%s"' "${new[@]}")
admin --fail --request POST "$ADMIN/api/rollout" \
  --data "{\"hosts\":[${names:1}],\"deadline\":0,\"movesPerSecond\":$MOVES}"
echo

for host in "${old[@]}"; do
  answer=$(admin --write-out ' %{http_code}' "$ADMIN/api/hosts/$host?wait=drained&timeout=3600000")
  # 404: the rollout has removed it already.
  case ${answer##* } in 200 | 404) ;; *) echo "$host is not drained: $answer" >&2 && exit 1 ;; esac
  stop "$host"
  echo "$host is replaced"
done
