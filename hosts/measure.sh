# shellcheck shell=bash
# Esclusa-Measure: what the containers of Esclusa's services take on this host. Reads only, asks for
# nothing, and takes no lock. shared/core/src/measure/usage.rs reads what it says.
set -Eeuo pipefail
# Standard output carries the answer and nothing else: whatever a tool prints goes to the log.
exec 3>&1 1>&2

main() {
  local lanes containers usage
  lanes=$(list_lanes)
  containers=$(list_containers "$lanes")
  usage=$(measure "$containers")
  {
    echo 'esclusa-usage 1'
    join_up "$lanes" "$containers" "$usage"
  } >&3
}

# Project, service and environment of each lane that was ever ordered here.
list_lanes() {
  local fence service environment rest
  for fence in /var/lib/esclusa/*/fence; do
    [[ -f $fence ]] || continue
    read -r service environment rest <"$fence" || continue
    fence=${fence%/fence}
    echo "${fence##*/} $service $environment"
  done
}

# Id, project, restarts and health of each container of theirs that runs.
list_containers() {
  local project rest ids=''
  while read -r project rest; do
    [[ -n $project ]] || continue
    ids+=" $(engine ps --quiet --no-trunc --filter "label=com.docker.compose.project=$project")"
  done <<<"$1"
  [[ -n ${ids// /} ]] || return 0
  # One that has gone since is no loss.
  # shellcheck disable=SC2086  # one argument for each
  { engine inspect $ids || :; } | jq --raw-output '.[] | [.Id[:12],
    .Config.Labels["com.docker.compose.project"], .RestartCount, if .State.Restarting
    then "restarting" else .State.Health.Status // "none" end] | join(" ")'
}

# Of the table that the engine prints, a share of a processor comes first, then one of memory.
measure() {
  local ids
  ids=$(awk '{ print $1 }' <<<"$1")
  [[ -n $ids ]] || return 0
  # shellcheck disable=SC2086  # one argument for each
  { engine stats --no-stream $ids || :; } | awk 'NR > 1 {
    said = ""; for (i = 2; i <= NF; i++) if ($i ~ /^[0-9.]+%$/) said = said " " $i
    print substr($1, 1, 12) said }'
}

# A container that is only just starting has no numbers yet.
join_up() {
  awk '
    part == "lanes" { if (NF == 3) lane[$1] = $2 " " $3; next }
    part == "usage" { if (NF == 3) took[$1] = $2 " " $3; next }
    ($2 in lane) { print lane[$2], $1, ($1 in took ? took[$1] : "- -"), $3, $4; count++ }
    END { print "end " count + 0 }' \
    part=lanes <(echo "$1") part=usage <(echo "$3") part=containers <(echo "$2")
}

engine() {
  timeout --foreground --kill-after=2 20 docker "$@"
}

main
