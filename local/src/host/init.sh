#!/usr/bin/env bash
# The first process of a host. It runs in the host's own network, mount, process, name and IPC
# namespaces, gives the host directories of its own, and then does nothing but reap: whatever the
# host runs is its descendant, so when it ends the kernel ends all of it and every mount goes too.
#
# usage: init.sh esclusa-host=<name> <directory> <disk MiB or 0> <engine or ''> [plugin...]
set -euo pipefail

readonly name=${1#esclusa-host=} home=$2 disk=$3 engine=$4 plugins=("${@:5}")

main() {
  # A slave, not a private copy: what the machine unmounts must not stay pinned in here.
  mount --make-rslave /
  mount -t proc proc /proc
  umount --lazy --recursive /run/netns 2>/dev/null || true
  hostname "$name"
  # Relative and not canonicalised: a target may hide the path by which a later source is known.
  cd "$home"
  exec 3<.
  if [[ -d system ]]; then
    enter_system
  else
    lend_engine
    lend_plugins
    own var-lib /var/lib
    own srv /srv
    own run /run
    own root /root
    own tmp /tmp
  fi
  limit_disk
  touch /proc/self/fd/3/ready
  exec 3<&-
  while :; do
    sleep 1000 &
    wait $! || true
  done
}

own() {
  mount --no-canonicalize --rbind "./$1" "$2"
}

# A root file system of the host's own takes the place of the machine's, of which nothing is left.
enter_system() {
  mount --no-canonicalize --bind ./system ./system
  cd ./system
  mount -t proc proc ./proc
  mount --rbind /sys ./sys
  mount --rbind /dev ./dev
  mount -t tmpfs run ./run
  pivot_root . .
  umount --lazy .
}

# A small engine disk of its own, for hosts that shall run out of space.
limit_disk() {
  if ((disk > 0)); then
    mount -t tmpfs -o "size=${disk}m" docker /var/lib/docker
  fi
}

# The directory of an engine that is not the machine's may lie where the host does not see it.
lend_engine() {
  if [[ -n $engine ]]; then
    mkdir -p ./run/engine
    mount --no-canonicalize --bind "$engine" ./run/engine
  fi
}

# A plugin in a person's home would vanish behind the host's own /root.
lend_plugins() {
  local place plugin
  for plugin in "${plugins[@]}"; do
    place=./root/.docker/cli-plugins/${plugin##*/}
    mkdir -p "${place%/*}"
    touch "$place"
    mount --no-canonicalize --bind "$plugin" "$place"
  done
}

main
