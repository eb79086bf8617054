# shellcheck shell=bash
# The part that all of Esclusa's documents share. It only defines functions; the verb's script,
# which follows it in the same file, ends by calling its own `main`. hosts/README.md has the
# protocol: parameters, answers, codes, files.
# shellcheck disable=SC2317,SC2034  # not every document needs every function and variable
# shellcheck disable=SC2016  # programs for jq have variables of their own
set -Eeuo pipefail
# Standard output carries the answer and nothing else: whatever a tool prints goes to the log.
exec 3>&1 1>&2
umask 077

# What the agent passes; a document lacks what its verb does not need.
: "${SSM_Service:=}" "${SSM_Environment:=}" "${SSM_Project:=}" "${SSM_Repository:=}" \
  "${SSM_Image:=none}" "${SSM_ImageBytes:=0}" "${SSM_Fence:=}" "${SSM_NotAfter:=0}" \
  "${SSM_IssuedAt:=0}" "${SSM_OnFailure:=leave}" "${SSM_Mode:=change}" "${SSM_Deadline:=auto}" \
  "${SSM_HttpPort:=}" "${SSM_HttpPath:=}" "${SSM_HttpExpect:=}" "${SSM_Compose:=}" \
  "${SSM_Logs:=no}"
export SSM_Service SSM_Environment

readonly pin=esclusa.release.yaml shipped=esclusa.compose.yaml next=esclusa.compose.next.yaml
# The names that Compose itself looks for, in its order; the first that exists counts.
readonly default_files=(compose.yaml compose.yml docker-compose.yml docker-compose.yaml)
readonly override_files=(compose.override.yaml compose.override.yml
  docker-compose.override.yml docker-compose.override.yaml)

images='' conflict='' outsider='' grace=10
verb='' dir='' state='' scratch='' project='' platform='' separator=':'
engine=no looked=no answered=no changed=no remember=no
failed_at='' why='' after_answer='' problem=''
before=none now=none restored=not-needed fence='' health=none
extra='{}' everything='[]' containers='[]' plan='{"services":{}}' services='[]' targets=()
base_files=() warnings=() missing=() kept=()
declare -A seconds=([pull]=0 [stop]=0 [up]=0 [health]=0)
total=0 well=0

begin() {
  verb=$1
  trap 'failed_at="line $LINENO: $BASH_COMMAND"' ERR
  trap on_exit EXIT
  check_agent
  dir=/srv/$SSM_Project state=/var/lib/esclusa/$SSM_Project project=$SSM_Project
  unset "${!COMPOSE_@}"
  check_tools
  make_scratch
  check_engine
  fence=$(kept_fence)
  check_clock
}

# An agent before 3.3.2746 does not know ENV_VAR: it leaves the variables unset.
check_agent() {
  [[ -n $SSM_Service && -n $SSM_Project ]] ||
    finish hosts.agent 'The SSM agent is older than 3.3.2746 and passes no parameters: update it.'
}

check_tools() {
  local tool
  for tool in jq curl flock timeout awk docker; do
    type -P "$tool" >/dev/null ||
      finish hosts.compose "This host has no \`$tool\`: install it and try again."
  done
  local version status=0
  version=$(timeout --foreground 60 docker compose version --short 2>/dev/null) || status=$?
  if ((status == 124)); then
    finish hosts.docker "This host is too busy: docker compose version took over a minute."
  fi
  [[ ${version#v} =~ ^([2-9]|[1-9][0-9])\. ]] || refuse_compose
}

refuse_compose() {
  local old=''
  type -P docker-compose >/dev/null &&
    old=' docker-compose v1 is here, but it breaks containers on current engines.'
  finish hosts.compose "This host has no Compose v2.$old Install it: \`apt-get install \
docker-compose-plugin\`, or put the plugin into /usr/local/lib/docker/cli-plugins."
}

check_clock() {
  local behind=$((SSM_IssuedAt - $(date +%s)))
  if ((behind > 60)); then
    finish hosts.clock "This host's clock is $behind s behind: check its time service (chronyd)."
  fi
}

check_engine() {
  # In the words of OCI. The braces are parted because Systems Manager would take two of them for
  # the start of a parameter.
  platform=$(timeout --foreground --kill-after=2 30 docker version \
    --format '{''{.Server.Os}}/{''{.Server.Arch}}') ||
    finish hosts.docker 'The Docker Engine does not answer: start it with systemctl start docker.'
  engine=yes
}

# Memory-backed where /run is, gone at the end, and after a kill with the next run or boot. Another
# script of ours may remove its own while this one looks: what is left is nobody's failure.
make_scratch() {
  mkdir -p /run/esclusa
  find /run/esclusa -mindepth 1 -maxdepth 1 -mmin +120 -exec rm -rf {} + 2>/dev/null || :
  scratch=$(mktemp -d /run/esclusa/XXXXXX)
}

# ---- Answers -----------------------------------------------------------------------------------

# Gives the one answer and ends. Not for subshells: it would end only those.
finish() {
  local code=$1 text=$2 line exit_code
  if [[ $looked == no && $engine == yes ]]; then glance; fi
  exit_code=$(exit_code "$code")
  line=$(render "$code" "$text") || line=$(render_plainly "$code" "$text")
  if [[ $remember == yes ]] && settles "$code"; then
    printf '{"fence":"%s","image":"%s","mode":"%s","exit":%s,"answer":%s}\n' "$SSM_Fence" \
      "$SSM_Image" "$SSM_Mode" "$exit_code" "$line" | replace "$state/answer"
    if [[ $changed == yes ]]; then rm -f "$state/order"; fi
  fi
  answered=yes
  printf '%s\n' "$line" >&3
  if [[ -n $after_answer ]]; then "$after_answer" >&3; fi
  exit "$exit_code"
}

# Whether an answer is the order's last word. What broke half way is carried on by a repetition.
settles() {
  [[ $changed == no || $1 =~ ^(ok$|hosts\.up$|health\.) ]]
}

exit_code() {
  case $1 in
    ok) echo 0 ;;
    order.*) echo 10 ;;
    release.*) echo 12 ;;
    *)
      case $changed/$restored in
        no/*) echo 11 ;;
        yes/yes | yes/not-needed) echo 13 ;;
        *) echo 14 ;;
      esac
      ;;
  esac
}

render() {
  jq --null-input --compact-output --arg verb "$verb" --arg code "$1" --arg text "$2" \
    --arg fence "$fence" --arg before "$before" --arg now "$now" --arg restored "$restored" \
    --arg project "$project" --arg health "$health" --arg platform "$platform" \
    --argjson total "$total" --argjson well "$well" --argjson extra "$extra" \
    --argjson pull "${seconds[pull]}" --argjson stop "${seconds[stop]}" \
    --argjson up "${seconds[up]}" --argjson check "${seconds[health]}" '
    # What does not fit is left out: a listing of SSM keeps 2,500 characters.
    def fit: if (tojson | utf8bytelength) <= 2000 then .
      elif (.present // [] | length) > 3 then .present |= .[:-1] | fit
      elif (.warnings | length) > 0 then .warnings |= .[:-1] | fit
      else .text |= .[:100] end;
    {v: 1, verb: $verb, service: env.SSM_Service, environment: env.SSM_Environment, code: $code,
     text: ($text | gsub("[[:cntrl:]]+"; " ") | .[:300]), fence: $fence, before: $before, now: $now,
     restored: $restored, project: $project, containers: $total, healthy: $well, health: $health,
     platform: $platform, warnings: [$ARGS.positional[] | .[:200]],
     seconds: {pull: $pull, stop: $stop, up: $up, health: $check}, at: (now | floor)}
    + $extra | fit' --args -- "${warnings[@]}"
}

# Without jq, for the few sentences that can come before it is known to be there.
render_plainly() {
  local text=${2//[\"\\]/\'}
  printf '{"v":1,"verb":"%s","service":"%s","environment":"%s","code":"%s","text":"%s",' \
    "$verb" "$SSM_Service" "$SSM_Environment" "$1" "$text"
  printf '"fence":"","before":"none","now":"none","restored":"not-needed","project":"%s",' \
    "$SSM_Project"
  printf '"containers":0,"healthy":0,"warnings":[],"seconds":{},"at":%s}' "$(date +%s)"
}

on_exit() {
  local status=$?
  if [[ -n $scratch ]]; then rm -rf "$scratch"; fi
  if [[ $answered == no && $status -ne 0 && $BASH_SUBSHELL -eq 0 ]]; then
    if [[ $changed == no ]]; then remember=no; fi
    if [[ $changed == yes ]]; then restored=failed; fi
    finish hosts.script "The script itself failed at ${failed_at:-its end} (status $status)."
  fi
}

warn() {
  echo "warning: $1"
  warnings+=("$1")
}

say() {
  TZ=UTC printf '%(%H:%M:%S)T %s\n' -1 "$1"
}

# The last line of a tool's error output that says something; Compose indents its progress.
complaint() {
  awk '/[^ ]/ && (said == "" || (!/^ / && tolower($0) ~ words)) { said = $0 }
    END { gsub(/ \([0-9a-f]{64}\)/, "", said); print substr(said, 1, 240) }' \
    words='error|fail|invalid|denied|required|no such|not found|refused|space' "$1"
}

# ---- Order, lock, fence ------------------------------------------------------------------------

# Replaces a file whole: a reader, or a power cut, sees the old or the new one.
replace() {
  local fresh=$1.esclusa
  cat >"$fresh"
  chmod "${2:-600}" "$fresh"
  sync "$fresh"
  mv -f "$fresh" "$1"
}

check_expiry() {
  local late=$(($(date +%s) - SSM_NotAfter))
  if ((late > 0)); then
    finish order.expired \
      "The order came $late s after its last moment, or this host's clock is ahead of the lane's."
  fi
}

take_lock() {
  local wait lock
  check_expiry
  mkdir -p "$state"
  chmod 700 "$state"
  wait=$((SSM_NotAfter - $(date +%s)))
  # Tools inherit the lock on purpose: one that outlives a killed script still holds it.
  exec {lock}>"$state/lock"
  if ! flock --timeout $((wait < 60 ? wait : 60)) "$lock"; then
    finish order.busy "Another order for $SSM_Service is being carried out on this host: try later."
  fi
  check_expiry
}

kept_fence() {
  local line=()
  if [[ -f $state/fence ]]; then read -ra line <"$state/fence"; fi
  # Another lane's generations say nothing about this one's.
  if [[ ${line[0]:-} == "$SSM_Service" && ${line[1]:-} == "$SSM_Environment" ]]; then
    echo "${line[2]}"
  fi
}

take_fence() {
  local kept
  kept=$(kept_fence)
  if [[ -n $kept ]] && older "$SSM_Fence" "$kept"; then
    fence=$kept
    finish order.stale "Order $SSM_Fence is older than $kept, which this host has seen."
  fi
  fence=$SSM_Fence
  if [[ -z $kept ]]; then rm -f "$state/order" "$state/answer" "$state/fetched"; fi
  if [[ $kept != "$SSM_Fence" ]]; then
    echo "$SSM_Service $SSM_Environment $SSM_Fence" | replace "$state/fence"
  fi
}

# A field of `order` or `answer`, which begin with it: the first of that name, in the form that
# this script writes. Without jq, since it is asked often.
kept_field() {
  local text=''
  if [[ -f $state/$1 ]]; then text=$(<"$state/$1"); fi
  if [[ $text =~ \"$2\":\"?([^\",}]*) ]]; then echo "${BASH_REMATCH[1]}"; fi
}

# Whether the activation with the kept fence was begun and ended.
order_state() {
  local kept
  kept=$(kept_fence)
  if [[ -z $kept ]]; then
    echo none
  elif [[ $(kept_field answer fence) == "$kept" ]]; then
    echo finished
  elif [[ $(kept_field order fence) == "$kept" ]]; then
    echo unfinished
  else
    echo none
  fi
}

older() {
  local a=$((10#${1%.*})) b=$((10#${2%.*}))
  ((a < b || (a == b && 10#${1#*.} < 10#${2#*.})))
}

# ---- What runs ---------------------------------------------------------------------------------

quick() {
  timeout --foreground --kill-after=5 60 docker "$@"
}

# What the rest needs of a container, and nothing of its environment.
readonly described='map((.Config.Labels // {}) as $labels |
  {id: .Id, name: (.Name | ltrimstr("/")), ref: .Config.Image, image: .Image,
   state: .State.Status, exit: .State.ExitCode, health: (.State.Health.Status // "none"),
   started: .State.StartedAt, created: .Created, restarts: .RestartCount,
   policy: .HostConfig.RestartPolicy.Name, check: (.Config.Healthcheck // null |
     if (.Test // ["NONE"])[0] == "NONE" then null else . end),
   project: $labels["com.docker.compose.project"],
   service: $labels["com.docker.compose.service"],
   oneoff: ($labels["com.docker.compose.oneoff"] == "True"),
   hash: $labels["com.docker.compose.config-hash"],
   directory: $labels["com.docker.compose.project.working_dir"],
   files: $labels["com.docker.compose.project.config_files"],
   mounts: [.Mounts[] | {type: .Type, source: (.Name // .Source), target: .Destination}]})'

# Reads every container of this host once, with the name that the registry knows its image by.
look() {
  local try ids
  looked=yes
  # Only a pull changes them, and a look is taken often.
  images=${images:-$(list_images "$SSM_Repository" | awk '$3 != "<none>" { print $4, $3 }')}
  for try in 1 2 3 4 5; do
    quick ps --all --quiet --no-trunc >"$scratch/ids" ||
      finish hosts.docker 'The Docker Engine does not list its containers: see its log.'
    mapfile -t ids <"$scratch/ids"
    # One that ends between list and look makes the look fail: look again.
    if ((${#ids[@]} == 0)); then
      everything='[]'
      return
    elif everything=$(quick inspect "${ids[@]}" | describe); then
      return
    fi
    say "looking again after try $try"
  done
  finish hosts.docker 'The Docker Engine does not describe its containers: see its log.'
}

describe() {
  jq --compact-output --arg images "$images" --arg repository "$SSM_Repository" '
    def bare: sub("@.*$"; "") | sub(":[^/:]*$"; "");
    ($images / "\n" | map(select(. != "") / " ") | sort) as $known
    | '"$described"' | map(. + {repository: (.ref | bare), digest: (
        .image as $id | .ref as $ref
        | if ($ref | contains("@sha256:")) and ($ref | bare) == $repository
          then $ref | sub("^.*@"; "")
          else [$known[] | select(.[0] == $id) | .[1]][0] // "local:" + $id end)})'
}

# Repository, tag, digest and id of each image of a repository, the newest first. The braces are
# parted because Systems Manager would take two of them for the start of a parameter.
list_images() {
  quick image ls --digests --no-trunc \
    --format '{''{.Repository}} {''{.Tag}} {''{.Digest}} {''{.ID}}' "$1"
}

survey() {
  look
  pick
}

# Picks what belongs to the service: containers of its project whose service, or whose image, is
# the repository's. `gone` are those whose service the Compose files no longer have. What runs is
# `none`, one digest, or `mixed`; as long as nothing is changed, it is also what ran before.
pick() {
  {
    read -r now
    read -r containers
    read -ra kept
    read -r conflict
    read -r outsider
  } < <(jq --raw-output --argjson services "$services" --arg project "$project" \
    --arg repository "$SSM_Repository" --arg keep "esclusa/keep:$(keep_name)-" \
    --arg dir "$dir" --arg real "$(realpath -m "$dir")" "$picked" <<<"$everything")
  if [[ $changed == no ]]; then before=$now; fi
}

# Five lines: what runs, the service's containers, `digest image` of each, who else runs the image
# in a Compose project, and who does outside of any.
readonly picked='
  def here: .directory as $at | $at == $dir or $at == $real
    or (($at // "") | startswith($dir + "/") or startswith($real + "/"));
  (map(select(.project == $project and (.oneoff | not))
    | .known = (.service as $name | $services | index([$name]) != null)
    | select(.known or .repository == $repository or (.ref | startswith($keep)))
    | .gone = (.known | not) and ($services | length) > 0
    | .runs = ((.state | IN("running", "restarting", "paused")) or
        (.state == "exited" and .exit == 0 and (.policy | IN("no", "", "on-failure")))))) as $own
  | ($own | map(select(.runs and (.gone | not)) | .digest) | unique
     | if length == 0 then "none" elif length == 1 then .[0] else "mixed" end),
    ($own | tojson),
    ($own | map(select(.runs) | "\(.digest) \(.image)") | unique | join(" ")),
    (map(select((.state | IN("running", "restarting", "paused")) and (.oneoff | not)))
     | (map(select(.project and .repository == $repository
          and ((here | not) or .project != $project)))
        + map(select(here and .project != $project))
        | if length == 0 then "" else .[0] | "\(.name) runs in the Compose project \(.project) of "
          + "\(.directory), not in \($project) of \($dir)" end),
       (map(select(.project == null and .repository == $repository) | .name)[0] // ""))'

# For refusals that come before the files are read: what the containers themselves tell.
glance() {
  look
  find_name
  pick
}

# ---- Images, and those kept from every prune ---------------------------------------------------

# A tag has at most 128 characters.
keep_name() {
  if ((${#project} <= 100)); then
    echo "$project"
  else
    echo "${project:0:80}-$(printf '%s' "$project" | sha256sum | cut -c1-12)"
  fi
}

# The local tag for `sha256:…`, `local:sha256:…` or `local@sha256:…`.
keep_tag() {
  local hex=${1##*sha256:}
  echo "esclusa/keep:$(keep_name)-${hex:0:12}"
}

# An image that was pulled by digest has no tag, so a plain prune would take it.
keep_running() {
  local i
  for ((i = 0; i < ${#kept[@]}; i += 2)); do
    quick tag "${kept[i + 1]}" "$(keep_tag "${kept[i]}")" ||
      warn "The running image ${kept[i]:0:19} could not be kept by a tag."
  done
}

# By digest, as it is pulled; an adopted image that no registry knows, by its id.
image_reference() {
  if [[ $SSM_Image == local@* ]]; then
    echo "${SSM_Image#*@}"
  else
    echo "$SSM_Repository@${SSM_Image#*@}"
  fi
}

image_is_here() {
  quick image inspect "$(image_reference)" >/dev/null 2>&1
}

keep_image() {
  quick tag "$(image_reference)" "$(keep_tag "$SSM_Image")"
}

# Where the engine stores images: its own directory, or containerd's.
engine_disk() {
  local about
  about=$(quick info 2>/dev/null)
  if [[ $about == *io.containerd.snapshotter* && -d /var/lib/containerd ]]; then
    echo /var/lib/containerd
  else
    sed -n 's/^ *Docker Root Dir: //p' <<<"$about"
  fi
}

free_bytes() {
  df --block-size=1 --output=avail "$1" | awk 'NR == 2 { print $1 }'
}

# ---- The service's Compose project -------------------------------------------------------------

# The value of the last assignment of a variable in the project's `.env`.
env_value() {
  if [[ -f $dir/.env ]]; then
    sed -nE "s/\r$//; s/^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*//p" \
      "$dir/.env" | tail -n 1 |
      sed -E "s/^\"([^\"]*)\".*/\1/; t; s/^'([^']*)'.*/\1/; t; s/[[:space:]]+(#.*)?$//"
  fi
}

compose() {
  (cd "$dir" && timeout --foreground --kill-after=5 "${limit:-120}" docker compose "$@")
}

# Compose with the team's own files, as if the pin were not there.
compose_base() {
  local files
  files=$(joined "${base_files[@]}")
  COMPOSE_FILE=$files COMPOSE_PROJECT_NAME=$project COMPOSE_PATH_SEPARATOR=$separator compose "$@"
}

joined() {
  local IFS=$separator
  echo "$*"
}

# Finds the team's own Compose files, without the pin: those of `.env`, else those that the
# project was started with, else those that Compose finds by itself.
find_files() {
  local value
  separator=$(env_value COMPOSE_PATH_SEPARATOR)
  separator=${separator:-:}
  value=$(env_value COMPOSE_FILE)
  if [[ $value == *\$* ]]; then
    problem="COMPOSE_FILE in $dir/.env uses a variable: write the file names out."
  fi
  base_files=()
  if [[ $SSM_Compose == image ]]; then
    base_files=("$next")
    add_first "${override_files[@]}"
    return
  fi
  local -a listed=()
  IFS=$separator read -ra listed <<<"$value"
  local file
  for file in "${listed[@]}"; do
    case ${file##*/} in
      "$pin") ;;
      "$shipped") if [[ -z $SSM_Compose ]]; then base_files+=("$file"); fi ;;
      *) base_files+=("$file") ;;
    esac
  done
  if ((${#base_files[@]} == 0)); then find_default_files; fi
  if ((${#base_files[@]} == 0)); then
    problem="There is no Compose file in $dir: put the service's compose.yaml there."
  fi
}

find_default_files() {
  local -a listed=()
  local file unknown=no
  add_first "${default_files[@]}"
  if ((${#base_files[@]} > 0)); then add_first "${override_files[@]}"; fi
  mapfile -t listed < <(jq --raw-output --arg dir "$dir" 'map(select(.directory == $dir)
    | .files // empty) | unique | if length == 1 then .[0] / "," | .[] else empty end
    | ltrimstr($dir + "/")' <<<"$everything" | grep -vE '(^|/)esclusa\.[a-z]+\.yaml$')
  for file in "${listed[@]}"; do
    [[ -f $dir/$file || -f $file ]] || return 0
    if [[ " ${base_files[*]} " != *" $file "* ]]; then unknown=yes; fi
  done
  if [[ $unknown == yes ]]; then base_files=("${listed[@]}"); fi
}

add_first() {
  local file
  for file in "$@"; do
    if [[ -f $dir/$file ]]; then
      base_files+=("$file")
      return
    fi
  done
}

# A project that runs keeps its name: with another one its volumes would be left behind.
find_name() {
  local named
  named=$(env_value COMPOSE_PROJECT_NAME)
  if [[ -z $named ]] && named_in_files; then
    named=$(project='' compose_base config --format json 2>"$scratch/errors" |
      jq --raw-output .name) || unreadable
  fi
  if [[ -z $named ]]; then
    named=$(jq --raw-output --arg dir "$dir" 'map(select(.directory == $dir) | .project) | unique
      | if length == 1 then .[0] else "" end' <<<"$everything")
  fi
  project=${named:-$SSM_Project}
}

named_in_files() {
  local file
  for file in "${base_files[@]}"; do
    if (cd "$dir" && grep -qsE '^name:' "$file"); then return 0; fi
  done
  return 1
}

# Reads what the Compose files say, without environment or secrets, into `plan`; `services` are
# those that use this repository.
read_plan() {
  local read
  read=$(compose_base --profile '*' config --format json 2>"$scratch/errors" | summarise) ||
    unreadable
  if [[ -n $problem ]]; then return; fi
  {
    read -r services
    read -r plan
  } <<<"$read"
  if [[ $services == '[]' ]]; then
    problem="No service in $dir uses the image $SSM_Repository: name it in ${base_files[0]}."
  fi
}

unreadable() {
  problem="docker compose config fails in $dir: $(complaint "$scratch/errors")"
}

summarise() {
  jq --raw-output --arg repository "$SSM_Repository" \
    --arg profiles "$(env_value COMPOSE_PROFILES)" '
    def seconds: [scan("([0-9.]+)(h|ms|m|us|s)") | (.[0] | tonumber) *
      {h: 3600, m: 60, s: 1, ms: 0.001, us: 0}[.[1]]] | add // 10;
    def place: rtrimstr("/");
    ($profiles / "," | map(gsub("^ +| +$"; ""))) as $on
    | (.volumes // {}) as $volumes | {services: (.services | map_values({
      image: (.image // ""), scale: (.deploy.replicas // .scale // 1),
      ours: (.image // "" | sub("@.*$"; "") | sub(":[^/:]*$"; "") == $repository),
      active: (.profiles // [] | length == 0 or any(.[], "*"; IN($on[]))),
      grace: (.stop_grace_period // "10s" | seconds), needs: (.depends_on // {} | keys),
      borrows: (.volumes_from // [] | length > 0),
      checked: (.healthcheck != null and .healthcheck.disable != true),
      mounts: ([(.volumes // [])[] | select(.source) | {target: (.target | place), source:
          (if .type == "volume" then $volumes[.source].name // .source else .source | place end)}]
        + [(.secrets // [])[], (.configs // [])[] | (.target // .source) as $at
          | {target: $at, source: null}, {target: ("/run/secrets/" + $at), source: null},
            {target: ("/" + $at), source: null}])}))}
    | (.services | to_entries | map(select(.value.ours) | .key) | tojson), tojson'
}

# The services that are to run: those that are not behind an inactive profile, and those that
# somebody started although they are. `missing` are services of other images that they depend on
# and that never had a container here; `grace` is how long all that takes to stop.
find_targets() {
  {
    read -ra targets
    read -ra missing
    read -r grace
  } < <(jq --raw-output --argjson everything "$everything" --arg project "$project" '
    ($everything | map(select(.project == $project and (.oneoff | not)))) as $own
    | .services as $all
    | def reach: . as $from | (. + [.[] | $all[.].needs // [] | .[]] | unique)
        | if length > ($from | length) then reach else . end;
    ($all | to_entries | map(select(.value.ours and .value.scale > 0) | .key as $name
      | select(.value.active or any($own[]; .service == $name and .state == "running")) | $name))
    | (. | join(" ")),
      (reach - ($own | map(.service)) | map(select($all[.].ours | not)
        | select(($all[.].scale // 0) > 0)) | join(" ")),
      (map($all[.] | .grace * .scale) | add // 0 | ceil)' <<<"$plan")
}

# Finds and reads the project as far as that goes; `problem` says why it went no further.
read_project() {
  local step
  look
  problem=''
  if [[ ! -d $dir ]]; then
    problem="$dir does not exist: put the service's Compose files there."
    return
  fi
  for step in find_files find_name read_plan; do
    "$step"
    if [[ -n $problem ]]; then return; fi
  done
}

# Everything that must be known before a change, and that stops it while nothing has happened.
find_project() {
  read_project
  [[ -z $problem ]] || finish hosts.compose "$problem"
  pick
  find_targets
  ((${#targets[@]} > 0)) || finish hosts.compose \
    "Every service in $dir that uses $SSM_Repository is behind a profile that is not active."
  check_conflicts
}

# For looking and for stopping, what runs is enough.
look_leniently() {
  read_project
  if [[ -n $problem ]]; then
    warn "$problem"
    find_name
    problem=''
  fi
  pick
}

# The same image elsewhere would go on running beside what is rolled out here.
check_conflicts() {
  if [[ -n $conflict ]]; then
    finish hosts.compose "$conflict: stop it there, or move its files to $dir and name its project \
in COMPOSE_PROJECT_NAME of .env."
  fi
  if [[ -n $outsider ]]; then
    warn "$outsider runs this image outside of Compose: it stays as it is."
  fi
}

# A mount that would be lost or go elsewhere, though nobody edited the files since the container
# was made, means that the project was started with other files or another environment.
check_mounts() {
  local lost touched=0 file at
  for file in "${base_files[@]}" .env; do
    at=$(cd "$dir" && stat --format=%Y "$file" 2>/dev/null) || at=0
    if ((at > touched)); then touched=$at; fi
  done
  lost=$(jq --raw-output --argjson plan "$plan" --argjson touched "$touched" '
    def made: .created | sub("\\.[0-9]+"; "") | fromdateiso8601;
    .[] | select(.runs and .known) | . as $it | $plan.services[.service] as $new
    | select($new.borrows | not) | .mounts[]
    | select((.type == "bind" or .type == "volume") and (.source | test("^[0-9a-f]{64}$") | not))
    | . as $old | select(any($new.mounts[]; .target == ($old.target | rtrimstr("/"))
        and (.source == null or .source == ($old.source | rtrimstr("/")))) | not)
    | "\(if ($it | made) < $touched then "edited" else "unexplained" end) \($it.name) has "
      + "\(.source) at \(.target)"' <<<"$containers" | sort --reverse | head -n 1)
  case $lost in
    '') ;;
    unexplained*) finish hosts.compose "${lost#* }, which the Compose files in $dir do not give: \
was it started with other files? Name them in COMPOSE_FILE of .env." ;;
    edited*) warn "${lost#* }: the edited Compose files no longer give it." ;;
  esac
}

# The release's own Compose file lies in its image, at the path that its label says.
ship_compose_file() {
  local at container
  at=$(quick image inspect "$(image_reference)" |
    jq --raw-output '.[0].Config.Labels["esclusa.compose"] // ""')
  if [[ -z $at ]]; then
    # An adopted image, which must remain a way back.
    warn "The image has no label esclusa.compose: the Compose files in $dir are used."
    SSM_Compose=host
    return
  fi
  mkdir -p "$dir"
  container=$(quick create --label esclusa.temporary=yes "$(image_reference)" none)
  quick cp --follow-link "$container:$at" "$scratch/compose" 2>"$scratch/errors" || true
  quick rm "$container"
  [[ -f $scratch/compose ]] ||
    finish hosts.compose "The image has no $at, which its label esclusa.compose names."
  install --mode=644 "$scratch/compose" "$dir/$next"
}

# ---- Health ------------------------------------------------------------------------------------

# Judges each container: `well`, `wait` or `bad`, and why. Containers made since the given moment
# answer for their restarts. With a deadline of its own a service may recover until then; without
# one, the healthcheck's own patience counts, and 60 s where there is none: from the second moment
# on, or for each container since it started.
readonly judged='
  def epoch: sub("\\.[0-9]+"; "") | try fromdateiso8601 catch 0;
  def spell(default): if (. // 0) == 0 then default else . / 1000000000 end;
  def patience: if $deadline != "auto" then $deadline | tonumber
    elif .check then .check | (.StartPeriod | spell(0)) + 10
      + (if (.Retries // 0) == 0 then 3 else .Retries end)
        * ((.Interval | spell(30)) + (.Timeout | spell(30)))
    else 60 end;
  def steady: [20, patience] | min;
  def verdict: (.started | epoch) as $started | (now - $started) as $up
    | (if (.created | epoch) >= $made then .restarts else 0 end) as $restarts
    | (.policy | IN("no", "")) as $once
    | if .state == "exited" and .exit == 0 and ($once or .policy == "on-failure") then ["well"]
      elif .state == "exited" and ($once or .policy == "on-failure") then
        ["bad", "ended with exit code \(.exit)"]
      elif .state == "dead" then ["bad", "is dead"]
      elif .state == "paused" then ["bad", "is paused"]
      elif .check and .health == "unhealthy" and $deadline == "auto" then
        ["bad", "is unhealthy by its healthcheck"]
      elif .check and .health == "healthy" and ($restarts == 0 or $up >= steady) then ["well"]
      elif (.check | not) and .state == "running" and $up >= steady then ["well"]
      elif (.check | not) and $restarts >= 3 then
        ["bad", "restarted \($restarts) times"
          + if .exit == 0 then "" else ", last with exit code \(.exit)" end]
      elif (if $since > 0 then now - $since else $up end) > patience then
        ["bad", "is not healthy after \(patience | floor) s (\(.state), \(.health))"]
      else ["wait", "\(.state), \(.health)"] end;
  map(select(.gone | not) | {name, service, verdict: verdict})'

# Sums the verdicts up: `total`, `well`, one word in `health`, and in `why` the first that is bad.
weigh() {
  {
    read -r total well health
    read -r why || true
  } <<<"$1"
}

readonly summed='(map(.verdict[0]) | "\(length) \(map(select(. == "well")) | length) "
    + (if length == 0 then "none" elif index(["bad"]) then "unhealthy"
       elif index(["wait"]) then "starting" else "healthy" end)),
  (map(select(.verdict[0] == "bad") | "The container \(.name) \(.verdict[1]).")[0] // "")'

judge() {
  jq --raw-output --argjson made "$1" --argjson since "${2:-0}" --arg deadline "$SSM_Deadline" \
    "$3"
}
