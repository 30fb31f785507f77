#!/bin/sh
# Installs into an empty directory and builds a program against what is there, as a user of the library would: by
# pkg-config, shared and static, and by CMake. Environment: BUILD, the build directory.
set -u
build=${BUILD:-build}
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    echo "test_install: $*"
    failed=1
}

if ! command -v pkg-config >/dev/null; then
    echo "skipped: pkg-config is not installed"
    exit 77
fi
if ! DESTDIR="$work" cmake --install "$build" --prefix /opt/capful >"$work/log" 2>&1; then
    cat "$work/log"
    fail "the installation failed"
    exit 1
fi
root=$work/opt/capful

for file in bin/capful include/capful/capful.h share/man/man1/capful.1 share/man/man5/capful-policy.5 \
    share/man/man3/libcapful.3 share/bash-completion/completions/capful libexec/capful/capful-compile \
    share/capful/policy.schema.json; do
    [ -e "$root/$file" ] || [ -e "$root/$file.gz" ] || fail "$file was not installed"
done
[ "$(ls "$root/include")" = capful ] || fail "include holds more than capful: $(ls "$root/include")"
pc=$(find "$root" -name 'capful.pc' -o -name 'libcapful.pc' | head -n 1)
if [ -z "$pc" ]; then
    fail "there is no pkg-config file"
    exit 1
fi
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$work
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
module=$(basename "$pc" .pc)
lib=$(dirname "$(find "$root" -name libcapful.a | head -n 1)")
[ -d "$lib" ] || fail "libcapful.a was not installed"

cat >"$work/user.c" <<'EOF'
#include <capful/capful.h>
#include <stdio.h>
int main(void)
{
    struct capful_sandbox *sandbox = NULL;
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_job job;
    capful_job_init(&job);
    job.source = "[6 * 7, 'installed']";
    job.source_len = 20;
    if (capful_sandbox_new(NULL, &sandbox, &err) != 0 || capful_run(sandbox, &job, &result, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%s %s\n", capful_version(), capful_result_value(result, NULL));
    capful_result_free(result);
    return capful_sandbox_free(sandbox);
}
EOF
version=$(pkg-config --modversion "$module")
wanted="$version [42,\"installed\"]"

# shellcheck disable=SC2046
if $cc -std=c99 -Wall -Werror $(pkg-config --cflags "$module") "$work/user.c" -o "$work/shared" $(pkg-config --libs "$module"); then
    got=$(LD_LIBRARY_PATH="$lib" "$work/shared" 2>&1)
    [ "$got" = "$wanted" ] || fail "the program with the shared library printed: $got"
    ldd "$work/shared" | grep -q libcapful || fail "the program was not linked with the shared library"
else
    fail "the program does not link with the shared library"
fi

# shellcheck disable=SC2046
if $cc -std=c99 -Wall -Werror $(pkg-config --cflags "$module") "$work/user.c" -o "$work/static" \
    "$lib/libcapful.a" $(pkg-config --static --libs-only-l "$module" | sed 's/-lcapful *//'); then
    got=$("$work/static" 2>&1)
    [ "$got" = "$wanted" ] || fail "the program with the static library printed: $got"
else
    fail "the program does not link with the static library"
fi

cat >"$work/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.16)
project(user C)
find_package(capful CONFIG REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE capful::capful)
EOF
if cmake -S "$work" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$root" >"$work/log" 2>&1 &&
    cmake --build "$work/cmake" >>"$work/log" 2>&1; then
    got=$(LD_LIBRARY_PATH="$lib" "$work/cmake/user" 2>&1)
    [ "$got" = "$wanted" ] || fail "the program built by CMake printed: $got"
else
    tail -n 20 "$work/log"
    fail "the program does not build by CMake"
fi

got=$("$root/bin/capful" run -e '1 + 1' 2>&1)
[ "$got" = 2 ] || fail "the installed program printed: $got"

# The public header in a program of C++.
if command -v c++ >/dev/null; then
    printf '#include <capful/capful.h>\nint main() { return capful_version() == nullptr; }\n' >"$work/user.cc"
    # shellcheck disable=SC2046,SC2015 # flags are words; either failure counts
    c++ -std=c++11 -Wall -Werror -pedantic $(pkg-config --cflags "$module") "$work/user.cc" -o "$work/cc" \
        $(pkg-config --libs "$module") && LD_LIBRARY_PATH="$lib" "$work/cc" || fail "the header does not serve C++"
fi
[ $failed = 0 ] && echo "installed, linked three ways, ran"
exit $failed
