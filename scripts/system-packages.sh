#!/bin/sh
# Installs the Debian packages named on the command line, those that are missing; says which if it may not.
set -eu
missing=""
command -v dpkg-query >/dev/null 2>&1 || { echo "not Debian: install the counterparts of: $*"; exit 0; }
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
    run=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    run="sudo"
else
    echo "please install these packages, then run make again:  sudo apt-get install$missing"
    exit 1
fi
echo "installing system packages:$missing"
$run apt-get update -qq
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing >/dev/null
