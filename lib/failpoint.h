/* Named places where a test may kill the process. Compiled in only with FLORIN_FAILPOINTS: then the
 * process ends as by kill -9 when it passes the place that the environment's FLORIN_FAILPOINT names
 * for the n-th time ("store_prepared" or "store_prepared:3"). With FLORIN_FAILPOINT_STOP in the
 * environment it is stopped there, until a SIGCONT. */
#ifndef FLORIN_FAILPOINT_H
#define FLORIN_FAILPOINT_H

#ifdef FLORIN_FAILPOINTS
void florin_failpoint_pass(const char *name);
#define FLORIN_FAILPOINT(name) florin_failpoint_pass(name)
#else
#define FLORIN_FAILPOINT(name) ((void)0)
#endif

#endif
