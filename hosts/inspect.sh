# shellcheck shell=bash
# Esclusa-Inspect: what this host runs. Reads only, and takes no lock: a look must not wait for an
# order that is being carried out.

main() {
  begin inspect
  look_leniently
  weigh "$(judge 0 0 "$judged | $summed" <<<"$containers")"
  extra=$(tell_state)
  check_conflicts
  if [[ $SSM_Logs == yes ]]; then after_answer=tell_logs; fi
  finish ok "This host runs $now of $SSM_Service."
}

tell_state() {
  list_images "$SSM_Repository" | awk '$3 != "<none>" && !seen[$3]++ { print $3 }' |
    jq --raw-input --slurp --compact-output --arg order "$(order_state)" \
      --argjson containers "$containers" --argjson free "$(free_bytes "$(engine_disk)")" '
      {order: $order, disk_free_bytes: $free, has_healthcheck: ($containers
         | map(select(.gone | not)) | length > 0 and all(.[]; .check != null)),
       present: (. / "\n" | map(select(. != "")))}'
}

# Application logs can hold secrets: they are read only when a person asks, and never stored here.
tell_logs() {
  local name lines
  judge 0 0 "$judged"' | .[] | select(.verdict[0] != "well") | .name' <<<"$containers" |
    while read -r name; do
      lines=$(quick logs --tail 20 "$name" 2>&1 | cut -c1-300) || lines='(not readable)'
      jq --null-input --compact-output --arg name "$name" --arg lines "$lines" \
        '{container: $name, lines: ($lines / "\n")}'
    done | jq --slurp --compact-output '{logs: (. as $all
      | until(tojson | utf8bytelength <= 16000; map(.lines |= .[1:])))}'
}

main
