#!/usr/bin/env bash
# Give a copy of examples/infra its private registry, and show what that takes. Needs codemod and git on PATH.
set -euo pipefail

example=$(cd "$(dirname "$0")/infra" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The user's own git configuration (hooks, signing, aliases) has no part in this.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@example.org GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@example.org

heading() { printf '\n=== %s\n\n' "$1"; }

heading "An infrastructure repository: pull-through mirrors on one VM, pipelines that build without a cache"
cp -R "$example" "$scratch/infra"
cd "$scratch/infra"
git -c init.defaultBranch=master init --quiet
git add --all
git commit --quiet --message "the state before the migration"
git ls-files

heading "codemod apply-caching --diff    (writes nothing; exit code 1: there is something to change)"
status=0
codemod apply-caching --diff || status=$?
[ "$status" = 1 ] || { echo "demo: expected exit code 1, got $status" >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || { echo "demo: --diff wrote something" >&2; exit 1; }

heading "codemod apply-caching"
codemod apply-caching

heading "git diff --stat    (new: the private registry's configuration and its garbage collector)"
git add --intent-to-add .
git --no-pager diff --stat
git add --all
git commit --quiet --message "a private registry for build caching"

heading "codemod apply-caching, once more    (nothing left to change)"
codemod apply-caching
[ -z "$(git status --porcelain)" ] || { echo "demo: the second run changed something" >&2; exit 1; }
