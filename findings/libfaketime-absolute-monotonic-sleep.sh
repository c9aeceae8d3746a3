#!/usr/bin/env bash
# libfaketime 0.9.10 (Debian 12: 0.9.10-2.1), told to leave the monotonic clock alone
# (FAKETIME_DONT_FAKE_MONOTONIC=1), breaks a sleep until a moment of that clock:
# clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, ...) returns EINVAL at once. Without the library, and
# with it but without that setting, the same call sleeps; so does a relative one in each case. One
# would expect that a clock that is not faked behaves as without the library. A program that paces
# itself by absolute deadlines and looks at no return value spins, where only its date was to be faked.
#
# It takes Debian's package archive and a C compiler; ends with 1 when something else is seen.
set -euo pipefail
readonly VERSION=0.9.10-2.1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download "libfaketime=$VERSION" >/dev/null 2>&1
dpkg -x libfaketime_*.deb package
library=$(find package -name libfaketime.so.1)
cat >sleeper.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void report(const char *kind, int code)
{
    printf("%s:%s ", kind, code == 0 ? "ok" : strerrorname_np(code));
}

int main(void)
{
    struct timespec briefly = {.tv_nsec = 1000000}, until;
    report("relative", clock_nanosleep(CLOCK_MONOTONIC, 0, &briefly, NULL));
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    report("absolute", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
    printf("\n");
    return 0;
}
C
cc -o sleeper sleeper.c
bad=0
expect() { # WHAT EXPECTED SEEN
    printf '%-44s %s\n' "$1" "$3"
    [ "$2" = "${3% }" ] || bad=1
}
fake=(env "LD_PRELOAD=$folder/$library" FAKETIME=+1h)
echo "libfaketime $VERSION"
expect "without it" "relative:ok absolute:ok" "$(timeout 10 ./sleeper)"
expect "FAKETIME=+1h" "relative:ok absolute:ok" "$(timeout 10 "${fake[@]}" ./sleeper)"
expect "FAKETIME=+1h FAKETIME_DONT_FAKE_MONOTONIC=1" "relative:ok absolute:EINVAL" \
    "$(timeout 10 "${fake[@]}" FAKETIME_DONT_FAKE_MONOTONIC=1 ./sleeper)"
exit $bad
