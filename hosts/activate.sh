# shellcheck shell=bash
# Esclusa-Activate: makes this host run a release, sees that it is healthy, and puts the previous
# one back if it is not. It may be killed at any point: the same order, run again, carries on from
# what `order` says. That file is written before the first change, `answer` after the last.

order='{}' phase='' began=0

main() {
  begin activate
  take_lock
  take_fence
  repeat_answer
  remember=yes
  if [[ $SSM_Image == none ]]; then
    look_leniently
    open_order
    stop_all
  elif [[ $phase == restoring ]]; then
    look_leniently
    restore
  fi
  find_release
  open_order
  apply
  check_health
  settle
}

# An order that has ended is answered as it was; one that was cut off is carried on.
repeat_answer() {
  local file
  rm -f "${dir:?}/.env.esclusa" "$dir/$pin.esclusa" "$dir/$shipped.esclusa"
  # Killed between the two last steps, an order leaves both.
  if [[ $(kept_field order fence) == "$(kept_field answer fence)" ]]; then rm -f "$state/order"; fi
  for file in answer order; do
    if [[ $(kept_field "$file" fence) == "$SSM_Fence" ]]; then
      check_same "$(kept_field "$file" image) $(kept_field "$file" mode)"
      if [[ $file == answer ]]; then
        answered=yes
        jq --compact-output .answer "$state/answer" >&3
        exit "$(kept_field answer exit)"
      fi
      carry_on
      return
    fi
  done
}

check_same() {
  if [[ $1 != "$SSM_Image $SSM_Mode" ]]; then
    finish order.stale "Order $SSM_Fence was already used on this host, for $1."
  fi
}

carry_on() {
  say 'carrying on with an order that was cut off'
  changed=yes restored=no
  order=$(<"$state/order")
  phase=$(kept_field order phase)
  before=$(kept_field order before)
  began=$(kept_field order began)
}

# ---- Before the change -------------------------------------------------------------------------

find_release() {
  image_is_here || finish release.not_in_registry \
    "The image $SSM_Image is not on this host: Esclusa-Prefetch brings it."
  keep_image
  if [[ $SSM_Compose == image ]]; then ship_compose_file; fi
  find_project
  # Once it has begun, what differs from the files is this order's own doing.
  if [[ -z $phase && $SSM_Compose != image ]]; then check_mounts; fi
}

# Writes down what is about to be changed, and what was there before.
open_order() {
  local files=() cut_off='null'
  if [[ -n $phase ]]; then return; fi
  keep_running
  keep_shipped
  list_files_before
  if [[ -f $state/order ]]; then cut_off=$(<"$state/order"); fi
  began=$(date +%s)
  order=$(jq --compact-output --arg fence "$SSM_Fence" --arg image "$SSM_Image" \
    --arg mode "$SSM_Mode" --arg before "$before" --argjson began "$began" \
    --arg keep "esclusa/keep:$(keep_name)-" --arg repository "$SSM_Repository" \
    --argjson cut_off "$cut_off" "$opened" --args -- "${files[@]}" <<<"$containers")
  replace "$state/order" <<<"$order"
  changed=yes restored=no phase=changing
}

# The baseline: each service with the image it runs, by a name that no prune takes away. What an
# order that was cut off had found is better known to be good than what it left behind.
readonly opened='
  def baseline: map(select(.known and .runs)) | sort_by(.state != "running") | group_by(.service)
    | map({key: .[0].service, value: (.[0] | if (.ref | contains("@sha256:")) then .ref
        elif .repository == $repository and (.digest | startswith("sha256:"))
        then .ref + "@" + .digest
        else $keep + (.digest | sub("^.*sha256:"; "") | .[:12]) end)}) | from_entries;
  {fence: $fence, image: $image, mode: $mode, phase: "changing", began: $began, before: $before,
   good: ($cut_off.good // $before), files: $ARGS.positional,
   baseline: (if $cut_off then $cut_off.baseline else baseline end)}'

set_phase() {
  phase=$1
  order=$(jq --compact-output --arg phase "$1" --arg code "${2:-}" --arg text "${3:-}" \
    '. + {phase: $phase, code: $code, text: $text}' <<<"$order")
  replace "$state/order" <<<"$order"
}

# The Compose files as they were listed, with the shipped one where there was one.
list_files_before() {
  local base_files=() problem=''
  SSM_Compose='' find_files
  files=("${base_files[@]}")
}

keep_shipped() {
  rm -f "$state/shipped"
  if [[ -f $dir/$shipped ]]; then
    cp "$dir/$shipped" "$state/shipped.esclusa"
    mv "$state/shipped.esclusa" "$state/shipped"
  fi
}

# ---- The change --------------------------------------------------------------------------------

apply() {
  local started=$SECONDS
  if [[ $SSM_Compose == image ]]; then
    mv "$dir/$next" "$dir/$shipped"
    base_files[0]=$shipped
  fi
  write_pin "$services" "$(pin_reference)"
  start_missing_dependencies
  bring_up "${targets[@]}" || fail hosts.up "docker compose up failed: $(complaint \
    "$scratch/errors")"
  set_phase changed
  seconds[up]=$((SECONDS - started))
}

# The name under which a digest is pinned stays while the digest does: another tag would recreate
# the containers for nothing.
pin_reference() {
  local known=''
  if [[ $SSM_Image == local@* ]]; then
    keep_tag "$SSM_Image"
    return
  fi
  if [[ -f $dir/$pin ]]; then
    known=$(sed -nE "s|^ *image: \"(${SSM_Repository}[:@].*${SSM_Image#*@})\"$|\1|p" "$dir/$pin" |
      sed -n 1p)
  fi
  echo "${known:-$SSM_Repository:$SSM_Image}"
}

# Writes the override that names the image, then has `.env` list it last. In this order, a kill in
# between leaves a file that nobody reads; the other way round it would leave a file missing.
# Takes services with one image for all of them, or a map from service to image.
write_pin() {
  {
    echo '# Written by Esclusa: the image that this host runs. A rollout replaces this file.'
    jq --raw-output --arg image "${2:-}" '(if type == "array" then map({key: ., value: $image})
      else to_entries end) as $all | "services:", ($all[]
      | "  \(.key | tojson):\n    image: \(.value | tojson)\n    pull_policy: never")' <<<"$1"
  } | replace "$dir/$pin" 644
  write_env "$(joined "${base_files[@]}" "$pin")"
}

remove_pin() {
  local listed
  listed=$(joined "${base_files[@]}")
  # What Compose finds by itself needs no line.
  base_files=()
  add_first "${default_files[@]}"
  add_first "${override_files[@]}"
  if [[ $listed == "$(joined "${base_files[@]}")" ]]; then listed=''; fi
  write_env "$listed"
  rm -f "${dir:?}/$pin"
}

# Sets the two variables that are Esclusa's in `.env` and leaves every other line alone.
write_env() {
  local file=$dir/.env mode=644
  if [[ ! -d $dir ]]; then return; fi
  if [[ -e $file ]]; then
    file=$(realpath "$file")
    mode=$(stat --format=%a "$file")
  fi
  files=$1 name=$project awk '
    function give(key, value) { if (value != "" && !(key in given)) print key "=" value
      given[key] = 1 }
    { line = $0; sub(/^[ \t]*(export[ \t]+)?/, "", line); sub(/[ \t]*=.*/, "", line) }
    line == "COMPOSE_FILE" { give(line, ENVIRON["files"]); next }
    line == "COMPOSE_PROJECT_NAME" { give(line, ENVIRON["name"]); next }
    { print }
    END { give("COMPOSE_PROJECT_NAME", ENVIRON["name"]); give("COMPOSE_FILE", ENVIRON["files"]) }' \
    "$(if [[ -e $file ]]; then echo "$file"; else echo /dev/null; fi)" >"$scratch/env"
  if ! cmp --silent "$scratch/env" "$file"; then
    replace_env "$file" "$mode"
  fi
}

replace_env() {
  local owner=''
  if [[ -e $1 ]]; then owner=$(stat --format=%u:%g "$1"); fi
  replace "$1" "$2" <"$scratch/env"
  if [[ -n $owner ]]; then chown "$owner" "$1"; fi
}

# Starts just these services, as a person in this directory would.
bring_up() {
  local force=()
  if [[ $SSM_Mode == restart && $phase == changing ]]; then force=(--force-recreate); fi
  clear_half_made
  say "docker compose up of $*"
  limit=$((grace + 120)) compose up --detach --no-build --no-deps "${force[@]}" "$@" \
    2>"$scratch/errors"
}

# A killed `up` leaves the container that it was about to put in another's place, under a name of
# its own, and the next one stumbles over it. Where the other is gone already, this one has its
# volumes and takes its name.
clear_half_made() {
  local id name taken
  while read -r id name taken; do
    if [[ $taken == true ]]; then quick rm "$id"; else quick rename "$id" "$name"; fi
  done < <(jq --raw-output --arg project "$project" 'map(.name) as $names | .[]
    | select(.project == $project and .state == "created" and (.name | test("^[0-9a-f]{12}_")))
    | .name[13:] as $name | "\(.id) \($name) \($names | index([$name]) != null)"' \
    <<<"$everything")
}

# On a new host the services that ours depend on were never made. Those that exist stay as they are.
start_missing_dependencies() {
  if ((${#missing[@]} == 0)); then return; fi
  say "starting what the service depends on: ${missing[*]}"
  limit=900 compose up --detach --no-build --no-deps --no-recreate "${missing[@]}" \
    2>"$scratch/errors" || fail hosts.up \
    "Starting ${missing[*]}, which the service depends on, failed: $(complaint "$scratch/errors")"
  await_dependencies "${missing[@]}"
}

await_dependencies() {
  local started
  started=$(date +%s)
  while (($(date +%s) - started < 180)); do
    look
    weigh "$(jq --compact-output --arg project "$project" 'map(select(.project == $project
      and (.oneoff | not) and (.service | IN($ARGS.positional[]))))' --args -- "$@" \
      <<<"$everything" | SSM_Deadline=auto judge 0 "$started" "$judged | $summed")"
    case $health in
      healthy) return ;;
      unhealthy) break ;;
    esac
    sleep 0.5
  done
  warn "$* is not healthy, and this service depends on it."
}

# ---- Health ------------------------------------------------------------------------------------

check_health() {
  local started=$SECONDS
  await_containers "${targets[@]}"
  [[ -z $why ]] || fail health.container "$why"
  if [[ -n $SSM_HttpPort ]]; then
    probe
    [[ -z $why ]] || fail health.http "$why"
    # What answered a moment ago may have ended since.
    await_containers "${targets[@]}"
    [[ -z $why ]] || fail health.container "$why"
  fi
  seconds[health]=$((SECONDS - started))
}

# Waits until every container of these services is well, or `why` says which is not. It ends,
# because no verdict is `wait` for longer than the container's patience.
await_containers() {
  local since verdicts pause=0.5 ids=()
  since=$(date +%s)
  survey
  {
    read -r why
    read -ra ids
  } < <(jq --raw-output '(map(.service) | unique) as $made
    | ($ARGS.positional - $made | map("The service \(.) has no container.")[0] // ""),
      (map(select(.service | IN($ARGS.positional[])) | .id) | join(" "))' --args -- "$@" \
    <<<"$containers")
  while [[ -z $why ]]; do
    verdicts=$(quick inspect "${ids[@]}" |
      judge "$began" "$since" "$described | $judged | $summed") || finish hosts.docker \
      'The containers cannot be looked at: somebody removed one, or the engine does not answer.'
    weigh "$verdicts"
    if [[ $health == healthy ]]; then return; fi
    if (($(date +%s) - since > 10)); then pause=1; fi
    if [[ -z $why ]]; then sleep "$pause"; fi
  done
}

probe() {
  local url end status low=200 high=299
  if [[ -n $SSM_HttpExpect ]]; then low=${SSM_HttpExpect%-*} high=${SSM_HttpExpect#*-}; fi
  url=http://127.0.0.1:$SSM_HttpPort${SSM_HttpPath:-/}
  end=$((SECONDS + 30))
  if [[ $SSM_Deadline != auto ]]; then end=$((SECONDS + SSM_Deadline)); fi
  while :; do
    status=$(curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "$url") ||
      status="nothing (curl's code $?)"
    if [[ $status =~ ^[0-9]+$ ]] && ((status >= low && status <= high)); then return; fi
    if ((SECONDS >= end)); then break; fi
    sleep 0.5
  done
  why="$url answers $status, not $low to $high."
}

# ---- The end -----------------------------------------------------------------------------------

settle() {
  survey
  is_wanted || fail hosts.up "The containers run $now, not ${SSM_Image#*@}."
  record_activation
  prune_images
  warn_about_others
  restored=not-needed
  finish ok "$SSM_Service runs ${SSM_Image:0:60} on this host."
}

is_wanted() {
  local digest=${SSM_Image#*@}
  [[ $now == "$digest" ]] || [[ $SSM_Image == local@* && $(jq --raw-output \
    'map(select(.runs and (.gone | not)) | .image) | unique[]' <<<"$containers") == "$digest" ]]
}

# The newest first. What ran before comes second, though no order of ours may have brought it.
record_activation() {
  {
    echo "$SSM_Image $(date +%s)"
    case $before in
      local:*) echo "local@${before#local:} 0" ;;
      sha256:*) echo "before@$before 0" ;;
    esac
    if [[ -f $state/history ]]; then cat "$state/history"; fi
  } | awk '{ digest = $1; sub(/^.*@/, "", digest) } !seen[digest]++ && kept++ < 10' |
    replace "$state/history"
}

# Keeps the current, the two before it, and what was fetched for the next order.
prune_images() {
  local wanted tag id name digest
  wanted=" $({
    awk 'NR <= 3 { print $1 }' "$state/history"
    if [[ -f $state/fetched ]]; then cat "$state/fetched"; fi
  } | sed -E 's/.*sha256:(.{12}).*/\1/' | tr '\n' ' ') "
  while read -r tag; do
    if [[ $wanted != *" ${tag##*-} "* ]]; then quick rmi "esclusa/keep:$tag" || true; fi
  done < <(list_images esclusa/keep | awk -v start="$(keep_name)-" '
    index($2, start) == 1 && length($2) == length(start) + 12 { print $2 }')
  wanted=" ${kept[*]} $(list_images esclusa/keep | awk -v start="$(keep_name)-" '
    index($2, start) == 1 && length($2) == length(start) + 12 { print $4 }' | tr '\n' ' ') "
  while read -r name tag digest id; do
    if [[ $wanted == *" $id "* ]]; then continue; fi
    say "removing the image $name $tag $digest"
    if [[ $tag != '<none>' ]]; then quick rmi "$name:$tag" || true; fi
    if [[ $digest != '<none>' ]]; then quick rmi "$name@$digest" 2>/dev/null || true; fi
  done < <(list_images "$SSM_Repository")
}

# Services of other images are the team's: what changed in their files is told, not done.
warn_about_others() {
  local sentence
  compose config --hash '*' >"$scratch/hashes" 2>/dev/null || return 0
  while read -r sentence; do
    warn "$sentence"
  done < <(jq --raw-output --rawfile hashes "$scratch/hashes" --arg project "$project" \
    --argjson services "$services" --argjson ours "$containers" '
    ($hashes / "\n" | map(select(. != "") / " " | {key: .[0], value: .[1]}) | from_entries) as $now
    | ([.[] | select(.project == $project and (.oneoff | not) and .service)
        | select(.service as $it | $services | index([$it]) | not)
        | select($now[.service] and .hash and .hash != $now[.service]) | .service] | unique[]
        | "The Compose files changed \(.) too: docker compose up -d \(.) applies that."),
      ($ours[] | select(.gone)
        | "\(.name) is no longer in the Compose files, but its container is still there."),
      (if any($ours[]; .state == "running") then empty
        else "Every container of this service has ended." end)' <<<"$everything")
}

stop_all() {
  local started=$SECONDS
  remove_containers 'true'
  remove_pin
  survey
  restored=not-needed
  seconds[stop]=$((SECONDS - started))
  finish ok "Nothing of $SSM_Service runs on this host."
}

# Stops and removes the service's containers that the filter picks, with their own grace period.
remove_containers() {
  local ids=()
  mapfile -t ids < <(jq --raw-output ".[] | select($1) | .id" <<<"$containers")
  if ((${#ids[@]} == 0)); then return; fi
  timeout --foreground --kill-after=5 900 docker stop "${ids[@]}"
  quick rm --force "${ids[@]}"
}

# ---- Failure -----------------------------------------------------------------------------------

fail() {
  say "$1: $2"
  if [[ $SSM_OnFailure == restore ]]; then
    set_phase restoring "$1" "$2"
    restore
  fi
  survey
  restored=no
  finish "$1" "$2"
}

# Brings back what the order found: each service's own image, by a name that is only here.
restore() {
  local names=()
  say 'putting back what ran before'
  restore_files
  mapfile -t names < <(jq --raw-output '.baseline | keys[]' <<<"$order")
  survey
  remove_containers ".service as \$it
    | $(jq --compact-output '.baseline | keys' <<<"$order") | index([\$it]) | not"
  if ((${#names[@]} == 0)); then
    remove_pin
    restored=not-needed
  else
    write_pin "$(jq --compact-output .baseline <<<"$order")"
    bring_back "${names[@]}"
  fi
  survey
  if [[ $now != "$(jq --raw-output .good <<<"$order")" ]]; then restored=failed; fi
  finish "$(jq --raw-output .code <<<"$order")" "$(jq --raw-output .text <<<"$order")"
}

bring_back() {
  if ! bring_up "$@"; then
    restored=failed
    warn "Putting back failed: $(complaint "$scratch/errors")"
    return
  fi
  await_containers "$@"
  if [[ -z $why ]]; then
    restored=yes
  else
    restored=failed
    warn "What was put back is not well: $why"
  fi
}

restore_files() {
  if [[ -f $state/shipped ]]; then
    replace "$dir/$shipped" 644 <"$state/shipped"
  else
    rm -f "${dir:?}/$shipped"
  fi
  rm -f "${dir:?}/$next"
  mapfile -t base_files < <(jq --raw-output '.files[]' <<<"$order")
  problem=''
  if ((${#base_files[@]} > 0)); then
    find_name
    read_plan
  fi
}

main
