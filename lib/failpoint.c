#include "lib/failpoint.h"

#ifdef FLORIN_FAILPOINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void florin_failpoint_pass(const char *name)
{
    static atomic_ulong passes;
    const char *wanted = getenv("FLORIN_FAILPOINT");
    size_t length = strlen(name);
    if (!wanted || strncmp(wanted, name, length) != 0)
        return;
    unsigned long nth = 1;
    if (wanted[length] == ':')
        nth = strtoul(wanted + length + 1, NULL, 10);
    else if (wanted[length] != '\0')
        return; /* a longer name that begins like this one */
    if (atomic_fetch_add(&passes, 1) + 1 == nth)
        (void)raise(getenv("FLORIN_FAILPOINT_STOP") ? SIGSTOP : SIGKILL);
}

#else

/* ISO C forbids an empty translation unit. */
typedef int florin_failpoint_none_t;

#endif
