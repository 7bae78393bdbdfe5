#!/bin/sh
# Tests the dashboard: its logic and the types of its pages, or its pages in a browser, served by the
# program that PRONY names. Where there is no Node.js that Vite takes, it says so and passes, as the
# program itself is then built without its dashboard.
#
#   scripts/dashboard-tests.sh logic
#   PRONY=target/debug/prony scripts/dashboard-tests.sh browser
set -eu

case "$*" in
    logic | browser) tested=$1 ;;
    *) echo "usage: $0 logic|browser" >&2; exit 2 ;;
esac
[ -z "${PRONY:-}" ] || PRONY=$(realpath "$PRONY")
export PRONY
cd "$(dirname "$0")/../dashboard"

if ! why=$(node build/node_version.js 2>&1); then
    cat >&2 <<END
======================================================================
SKIPPED: the tests of the dashboard ($tested), and the program has no dashboard:
$why
Install Node.js 20.19, 22.12 or newer, which Debian 12 does not have.
======================================================================
END
    exit 0
fi
# npm leaves this file behind when it has installed everything.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
    # The browser is the system's: none is to be fetched.
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 \
        npm ci --ignore-scripts --no-audit --no-fund --prefer-offline
fi
case $tested in
    logic)
        npm test
        npm run check
        ;;
    browser) npm run e2e:real ;;
esac
