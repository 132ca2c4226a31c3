#!/bin/sh
# Bundles what the explorer's page takes from npm into twgl.js, which is committed: `make vendor`, after a change of version.
# package-lock.json pins the packages by their hashes; they come from whatever registry npm is set to use.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json package-lock.json entry.js "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund)
version=$(node -p "require('$work/node_modules/twgl.js/package.json').version")
(cd "$work" && node_modules/.bin/esbuild entry.js --bundle --minify --format=iife --global-name=twgl --target=es2022 \
    --legal-comments=none --banner:js="/* twgl.js $version, MIT licence, Copyright 2019 Gregg Tavares: see twgl.LICENSE */" --outfile=twgl.js)
cp "$work/twgl.js" twgl.js
cp "$work/node_modules/twgl.js/LICENSE.md" twgl.LICENSE
ls -l twgl.js
