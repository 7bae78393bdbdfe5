#!/bin/sh
# Tests the dashboard's logic and the types of its pages. Where there is no Node.js that Vite takes,
# it says so and passes, as the program itself is then built without its dashboard.
#
#   scripts/dashboard-tests.sh
set -eu
cd "$(dirname "$0")/../dashboard"

if ! why=$(node build/node_version.js 2>&1); then
    cat >&2 <<END
======================================================================
SKIPPED: the tests of the dashboard, and the program has no dashboard:
$why
Install Node.js 20.19, 22.12 or newer, which Debian 12 does not have.
======================================================================
END
    exit 0
fi
# npm leaves this file behind when it has installed everything.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --ignore-scripts --no-audit --no-fund --prefer-offline
fi
npm test
npm run check
