#!/usr/bin/env bash
# cmake/install.sh PACKAGE...: installs the Debian packages that are missing.
set -euo pipefail

missing=()
for package in "$@"; do
  if [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
    missing+=("$package")
  fi
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "missing: ${missing[*]}; installing them needs root or sudo" >&2; exit 1; }
  as_root=(sudo)
fi
echo "installing: ${missing[*]}" >&2
"${as_root[@]}" apt-get -o DPkg::Lock::Timeout=600 update -q >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -qy --no-install-recommends "${missing[@]}" >&2
