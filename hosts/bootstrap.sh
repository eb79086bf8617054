# shellcheck shell=bash disable=SC2154,SC2093  # the lines above set `verb` and `program`
# Runs a verb of Esclusa's program: the image that the line above names by its digest, pulled once
# and kept. Nothing else can be named. Only an answer, in the program's form, is standard output.
exec 3>&1 1>&2
umask 077 && shopt -s execfail
IFS=/ read -r registry _ <<<"$program" && IFS=@ read -r _ digest <<<"$program"
bin=/var/lib/esclusa/bin

fail() { # code, sentence: nothing was changed, and what runs was not looked at
  text=$(printf '%s' "$2" | tail -c 600 | tr '\n' ' ' | LC_ALL=C tr -cd ' !#-[]-~')
  printf '{"v":1,"verb":"%s","service":"%s","environment":"%s","code":"%s","text":"%s",%s}\n' \
    "$verb" "$SSM_Service" "$SSM_Environment" "$1" "$text" \
    '"before":"mixed","now":"mixed","restored":"not-needed","health":"none"' >&3
  exit 11
}

try() {
  said=$(timeout --kill-after=5 45 "$@" 2>&1) && return
  case $said in
    *[Nn]'o space left'*) fail hosts.disk "The disk of this host is full: $said" ;;
    *daemon*running*) fail hosts.docker 'Docker does not answer: run systemctl start docker.' ;;
    *'manifest unknown'* | *': not found'*)
      fail hosts.program "$program is gone: deploy the stack of Esclusa again with sam deploy." ;;
    *) fail hosts.registry "The program of Esclusa could not be fetched: $1 $2: $said" ;;
  esac
}

log_in() { # for this pull alone: `docker login` would keep it, and fails where a keyring is locked
  if type -P docker-credential-ecr-login; then
    login=$(printf '"credHelpers":{"%s":"ecr-login"}' "$registry")
  elif type -P aws; then
    login=$(timeout 45 aws ecr get-login-password --region "$AWS_SSM_REGION_NAME") || fail \
      hosts.registry "No login for $registry: may this host call ecr:GetAuthorizationToken?"
    login="\"auths\":{\"$registry\":{\"auth\":\"$(printf 'AWS:%s' "$login" | base64 --wrap=0)\"}}"
  else
    fail hosts.registry "No login for $registry: install amazon-ecr-credential-helper or AWS CLI."
  fi
  printf '{%s}' "$login" >"$DOCKER_CONFIG/config.json"
}

if [[ ! -x $bin/$digest ]]; then
  type -P docker || fail hosts.docker 'This host has no Docker Engine: install it and Compose v2.'
  try mkdir --parents "$bin"
  exec 9>"$bin/.lock" && try flock --timeout 40 9
  DOCKER_CONFIG=$(mktemp --directory /run/esclusa.XXXXXX) || fail hosts.disk '/run is full.'
  export DOCKER_CONFIG && trap 'rm -rf "$DOCKER_CONFIG"' EXIT
  log_in && try docker pull --quiet "$program"
  docker rm --force esclusa-program
  try docker create --name esclusa-program "$program"
  try docker cp esclusa-program:/esclusa-host "$bin/.new"
  try sync "$bin/.new" && mv "$bin/.new" "$bin/$digest" && touch "$bin/$digest"
  docker rm --force esclusa-program && docker image rm "$program"
  find "$bin" -name 'sha256:*' -printf '%T@ %p\n' | sort -rn | sed '1,2d; s/[^ ]* //' | xargs rm -f
  rm -rf "$DOCKER_CONFIG" && unset DOCKER_CONFIG
fi
touch "$bin/$digest"
exec "$bin/$digest" "$verb" 1>&3 3>&- 9>&-
exec 3>&1 1>&2
fail hosts.program "$bin/$digest cannot be started: is /var/lib mounted with noexec?"
