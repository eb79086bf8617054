# shellcheck shell=bash
# Esclusa-Inspect: what this host runs. Reads only, and takes no lock: a look must not wait for an
# order that is being carried out.

verdicts='[]'

main() {
  begin inspect
  look_leniently
  verdicts=$(judge 0 <<<"$containers")
  sum_up "$verdicts"
  extra=$(describe)
  check_conflicts
  if [[ $SSM_Logs == yes ]]; then after_answer=tell_logs; fi
  finish ok "This host runs $now of $SSM_Service."
}

describe() {
  present | jq --raw-input --slurp --compact-output --arg order "$(order_state)" \
    --argjson checked "$(has_healthcheck)" --argjson free "$(free_bytes "$(engine_disk)")" \
    '{order: $order, has_healthcheck: $checked, disk_free_bytes: $free,
      present: (. / "\n" | map(select(. != "")))}'
}

has_healthcheck() {
  jq 'map(select(.gone | not)) | length > 0 and all(.[]; .check != null)' <<<"$containers"
}

# The newest first, as Docker lists them.
present() {
  quick image ls --digests --no-trunc "$SSM_Repository" |
    awk '$3 ~ /^sha256:/ && !seen[$3]++ { print $3 }'
}

# Application logs can hold secrets: they are read only when a person asks, and never stored here.
tell_logs() {
  local name lines
  jq --raw-output '.[] | select(.verdict[0] != "well") | .name' <<<"$verdicts" |
    while read -r name; do
      lines=$(quick logs --tail 20 "$name" 2>&1 | cut -c1-300) || lines='(not readable)'
      jq --null-input --compact-output --arg name "$name" --arg lines "$lines" \
        '{container: $name, lines: ($lines / "\n")}'
    done | jq --slurp --compact-output '{logs: (. as $all
      | until(tojson | utf8bytelength <= 16000; map(.lines |= .[1:])))}'
}

main
