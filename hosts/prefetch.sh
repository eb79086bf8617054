# shellcheck shell=bash
# Esclusa-Prefetch: checks all that a later activation needs, and brings the image here. Nothing
# that runs is touched, so what fails here costs no capacity, and the same order is simply repeated.

main() {
  begin prefetch
  take_lock
  take_fence
  if [[ $SSM_Image == none ]]; then
    look_leniently
  else
    prepare
    keep_running
    echo "$SSM_Image" | replace "$state/fetched"
  fi
  finish ok "This host is ready for $SSM_Service $SSM_Image."
}

# The Compose files are looked at first, unless they come with the image.
prepare() {
  if [[ $SSM_Compose == image ]]; then
    fetch
    ship_compose_file
    find_project
    rm -f "${dir:?}/$next"
  else
    find_project
    check_mounts
    fetch
  fi
  check_healthchecks
}

fetch() {
  local started=$SECONDS
  if [[ $SSM_Image == local@* ]]; then
    image_is_here || finish release.not_in_registry \
      "The image $(image_reference) was only ever on this host, and is not here any more."
  elif image_is_here; then
    say 'the image is here already'
  else
    check_disk
    check_registry_clock
    log_in
    pull
  fi
  keep_image
  seconds[pull]=$((SECONDS - started))
  tell_rollback
}

# What the image says about going back from it. As JSON, so that only the exact word counts.
tell_rollback() {
  local label rollback=safe
  label=$(quick image inspect "$(image_reference)" |
    jq --compact-output '.[0].Config.Labels["esclusa.rollback"] // "safe" | .[:60]')
  case $label in
    '"safe"') ;;
    '"unsafe"') rollback=unsafe ;;
    *) warn "The label esclusa.rollback is $label, neither safe nor unsafe: it counts as safe." ;;
  esac
  extra="{\"rollback\":\"$rollback\"}"
}

check_healthchecks() {
  local unchecked in_image
  in_image=$(quick image inspect "$(image_reference)" |
    jq '.[0].Config.Healthcheck.Test // ["NONE"] | .[0] != "NONE"')
  unchecked=$(jq --raw-output --argjson in_image "$in_image" '.services as $all
    | [$ARGS.positional[] | select($all[.].checked | not)]
    | if $in_image then empty else join(", ") end' --args -- "${targets[@]}" <<<"$plan")
  if [[ -n $unchecked ]]; then
    warn "No HEALTHCHECK for $unchecked: only that it goes on running will be checked."
  fi
}

# ---- Disk and clock ----------------------------------------------------------------------------

check_disk() {
  local root free need
  root=$(engine_disk)
  free=$(free_bytes "$root")
  # Unpacked layers take two to three times what the registry stores, beside the download itself.
  need=$((SSM_ImageBytes * 3 + 256 * 1024 * 1024))
  if ((free < need)); then
    finish hosts.disk "$root has $((free >> 20)) MiB free and this image needs $((need >> 20)): \
remove what is not needed there, or enlarge the volume."
  fi
}

# The registry's own clock says whether this host's is ahead, which no order can tell.
check_registry_clock() {
  local scheme=https date skew
  if [[ $SSM_Repository =~ ^(127\.|localhost[:/]) ]]; then scheme=http; fi
  date=$(curl --silent --max-time 10 --output /dev/null --dump-header - \
    "$scheme://${SSM_Repository%%/*}/v2/" | tr -d '\r' | sed -n 's/^[Dd]ate: //p') || date=''
  # An engine behind a proxy reaches what this script does not: the pull itself will tell.
  if [[ -n $date ]]; then
    skew=$(($(date +%s) - $(date --date="$date" +%s)))
    if ((skew > 60 || skew < -60)); then
      finish hosts.clock "This host's clock is $skew s from the registry's: check its time service \
(chronyd)."
    fi
  fi
}

# ---- Registry ----------------------------------------------------------------------------------

# A fresh login for this pull alone: the directory lies in memory and goes with the script.
log_in() {
  local password
  export DOCKER_CONFIG=$scratch/login
  mkdir "$DOCKER_CONFIG"
  if type -P docker-credential-ecr-login >/dev/null && [[ ! $SSM_Repository =~ ^(127\.|localhost) ]]
  then
    jq --null-input '{credHelpers: {($ARGS.positional[0]): "ecr-login"}}' \
      --args -- "${SSM_Repository%%/*}" >"$DOCKER_CONFIG/config.json"
    return
  fi
  find_region
  [[ -n $region ]] || finish hosts.registry "This host's region is unknown: is IMDSv2 switched on?"
  password=$(password_by_cli || password_by_curl) || finish hosts.registry \
    "No login for ${SSM_Repository%%/*}: $(complaint "$scratch/errors") May this host's role call \
ecr:GetAuthorizationToken?"
  printf '%s' "$password" | timeout --foreground --kill-after=5 60 \
    docker login --username AWS --password-stdin "${SSM_Repository%%/*}" 2>"$scratch/errors" ||
    finish hosts.registry \
      "The registry ${SSM_Repository%%/*} refuses the login: $(complaint "$scratch/errors")"
}

password_by_cli() {
  type -P aws >/dev/null && timeout --foreground --kill-after=5 30 \
    aws ecr get-login-password --region "$region" 2>"$scratch/errors"
}

# What `aws ecr get-login-password` does, for hosts without it. Secrets reach curl by its input.
password_by_curl() {
  local endpoint=${AWS_ENDPOINT_URL_ECR:-${AWS_ENDPOINT_URL:-https://api.ecr.$region.amazonaws.com}}
  local credentials
  credentials=$(role_credentials) || return 1
  {
    printf 'url = "%s/"\nrequest = "POST"\ndata = "{}"\n' "${endpoint%/}"
    printf 'aws-sigv4 = "aws:amz:%s:ecr"\n' "$region"
    printf 'header = "Content-Type: application/x-amz-json-1.1"\n'
    printf 'header = "X-Amz-Target: %s.GetAuthorizationToken"\n' \
      AmazonEC2ContainerRegistry_V20150921
    jq --raw-output '"user = \"\(.AccessKeyId):\(.SecretAccessKey)\"",
      "header = \"X-Amz-Security-Token: \(.Token)\""' <<<"$credentials"
  } | curl --silent --show-error --fail --max-time 20 --config - 2>"$scratch/errors" |
    jq --exit-status --raw-output '.authorizationData[0].authorizationToken' |
    base64 --decode | sed 's/^AWS://'
}

role_credentials() {
  local token role
  token=$(metadata_token) || return 1
  role=$(metadata "$token" iam/security-credentials/) || return 1
  metadata "$token" "iam/security-credentials/${role%%$'\n'*}"
}

# The registry's region: its name says it, else it is this host's.
find_region() {
  local token
  if [[ $SSM_Repository =~ \.dkr\.ecr(-fips)?\.([a-z0-9-]+)\. ]]; then
    region=${BASH_REMATCH[2]}
  elif token=$(metadata_token); then
    region=$(metadata "$token" placement/region) || region=''
  fi
  region=${region:-${AWS_SSM_REGION_NAME:-${AWS_REGION:-}}}
}

readonly metadata_url=http://169.254.169.254/latest
region=''

metadata_token() {
  curl --silent --show-error --fail --max-time 5 --request PUT \
    --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata_url/api/token" \
    2>"$scratch/errors"
}

metadata() {
  printf 'header = "X-aws-ec2-metadata-token: %s"\n' "$1" |
    curl --silent --show-error --fail --max-time 5 --config - "$metadata_url/meta-data/$2" \
      2>"$scratch/errors"
}

pull() {
  say "pulling $(image_reference)"
  if ! timeout --foreground --kill-after=5 1500 docker pull --quiet "$(image_reference)" \
    2>"$scratch/errors"; then
    explain_pull "$(complaint "$scratch/errors")"
  fi
  unset DOCKER_CONFIG
  images=''
}

explain_pull() {
  case $1 in
    *'manifest unknown'* | *'not found'*) finish release.not_in_registry \
      "The registry has no $(image_reference): $1" ;;
    *'no space left'*) finish hosts.disk "The disk filled up during the pull: $1" ;;
    *) finish hosts.registry "The pull of $(image_reference) failed: $1" ;;
  esac
}

main
