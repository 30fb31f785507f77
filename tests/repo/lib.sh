# Sourced by the checks beside it: what files there are, and how a check reports.
#
# A check is run from the root of the repository with BUILD naming the build directory. It prints a line for each thing
# that is wrong and exits with 0, 1, or 77 when it cannot be made here.

build=${BUILD:-build}
failed=0

wrong() {
    echo "$(basename "$0"): $*" >&2
    failed=1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# Every file that belongs to the project; without git (an unpacked tarball) what lies here except build results.
project_files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -co --exclude-standard | while IFS= read -r file; do
            [ -f "$file" ] && printf '%s\n' "$file"
        done
    else
        find . \( -name build -o -name .git -o -name target \) -prune -o -type f -print | sed 's|^\./||'
    fi
}

# The functions of the public header; a declaration may have several lines.
public_functions() {
    tr '\n' ' ' <include/capful/capful.h | grep -oE 'CAPFUL_API[^;(]*[ *]capful_[a-z0-9_]+\(' |
        sed 's/.*[ *]\(capful_[a-z0-9_]*\)($/\1/' | sort -u
}

done_checking() {
    [ "$failed" = 0 ] && echo "$*"
    exit "$failed"
}
