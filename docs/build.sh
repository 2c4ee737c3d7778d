#!/usr/bin/env bash
# docs/build.sh: builds the site of the documentation, static pages with search, into build/site.
# The reference is written from the headers first. MkDocs comes from PyPI into build/docs-venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${1:-} == --help ]]; then
  sed -n '2,3s/^# //p' docs/build.sh
  exit 0
elif (($# > 0)); then
  echo "docs/build.sh: unknown argument '$1'; it takes none but --help" >&2
  exit 2
fi

venv=$PWD/build/docs-venv
if ! cmp -s docs/requirements.txt "$venv/installed" || ! "$venv/bin/python" -c ''; then
  ./cmake/install.sh python3 python3-venv ca-certificates
  python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check -q -r docs/requirements.txt
  cp docs/requirements.txt "$venv/installed"
fi

python3 docs/reference.py
# The variable keeps the theme from advertising its successor.
NO_MKDOCS_2_WARNING=1 "$venv/bin/mkdocs" build --strict --clean
echo "look at it: python3 -m http.server --directory build/site, then open http://localhost:8000 (the search needs a server)"
