#!/usr/bin/env bash
# Tags HEAD as a release, if what is committed says that it is one.
. "$(dirname "$0")/lib.sh"

version=${1:-}
[[ "$version" =~ ^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}(-[0-9A-Za-z.-]+)?$ ]] ||
    die "say which version, as in: make release VERSION=1.2.3"
tag=v$version

[ -z "$(git status --porcelain)" ] || die "there are changes that are not committed"
! git rev-parse -q --verify "refs/tags/$tag" >/dev/null || die "the tag $tag is there already"

# section HEADING: the lines of CHANGELOG.md below the heading that begins so.
section() {
    awk -v heading="## $1" '/^## / { inside = index($0, heading) == 1; next } inside' CHANGELOG.md
}

heading=$(grep -F "## $version - " CHANGELOG.md | head -n 1) || true
[[ "${heading#"## $version - "}" =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] ||
    die "CHANGELOG.md has no section '## $version - YYYY-MM-DD'"
notes=$(section "$version - " | sed '/./,$!d')
grep -q '^- ' <<<"$notes" || die "CHANGELOG.md says nothing about $version"
! section Unreleased | grep -q '^- ' || die "CHANGELOG.md still has lines under Unreleased"

# agree FILE VERSIONS: dev-idp is a tool for tests, which is not released: its version is 0.0.0.
agree() {
    local other
    for other in $2; do
        [[ "$other" == "$version" || "$other" == 0.0.0 ]] || die "$1 has another version: $other"
    done
}
for manifest in Cargo.toml crates/*/Cargo.toml; do
    agree "$manifest" "$(sed -n '/^\[package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' "$manifest")"
done
# In Cargo.lock what has no source is the workspace's own.
agree Cargo.lock "$(awk -v RS= -F '"' '/^\[\[package\]\]/ && !/\nsource = / { print $4 }' Cargo.lock)"

git tag --annotate "$tag" --cleanup=verbatim --message "Portvakt $version

$notes"
say "tagged $(git rev-parse --short HEAD) as $tag: push it with 'git push origin $tag'"
