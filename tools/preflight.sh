#!/bin/sh
# Print a Python that can hold the environment, or one line on what to install first.
# Usage: tools/preflight.sh [PYTHON]
set -u

fail() {
  echo "preflight: $1" >&2
  exit 1
}

# The ROS wheels exist for these versions, and the project needs 3.11.
usable='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

[ "$(uname -s)" = Linux ] || fail 'the ROS wheels are built for Linux: use a Linux machine or a container'

python=''
for candidate in ${1:-python3 python3.13 python3.12 python3.11}; do
  if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$usable" 2>/dev/null; then
    python=$(command -v "$candidate")
    break
  fi
done
[ -n "$python" ] || fail "no Python 3.11, 3.12 or 3.13 found (looked for: ${1:-python3}): sudo apt install python3 python3-venv python3-dev"

version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python $version lacks venv: sudo apt install python$version-venv"
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
[ -f "$headers/Python.h" ] || fail "Python $version lacks its headers: sudo apt install python$version-dev"
command -v "${CC:-cc}" >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || fail 'no C compiler found: sudo apt install gcc'
command -v "${CXX:-c++}" >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || fail 'no C++ compiler found: sudo apt install g++'

echo "$python"
