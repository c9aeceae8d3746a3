/* Load as clients make it: each client has a connection and a key exchange of its own, and a bound
 * on its requests in flight. One thread drives them all, and libzmq's thread does the sockets, so
 * that as much as can be of the machine is left to what is measured.
 *
 * Closed loop: who got an answer asks again. Open loop: requests come at a rate, whether or not the
 * earlier ones were answered; each is timed from when it was meant to be sent, so that a stall
 * counts for all that it held up. A tail, at another rate, may follow, to see how soon what the
 * load has left behind is gone. */
#ifndef FLORIN_BENCH_LOAD_H
#define FLORIN_BENCH_LOAD_H

#include "bench/result.h"
#include "bench/traffic.h"
#include "client/florin.h"

#define LOAD_SAMPLE_MAX 1000

typedef struct {
    size_t clients;
    size_t batch;     /* transfers a request, at most FLORIN_EVENTS_MAX */
    size_t in_flight; /* requests a client */
    bool ping;        /* ask the broker itself, which books nothing */
    double rate;      /* transfers a second of all clients; 0: closed loop */
    double warm_up;   /* seconds, before what is measured */
    double seconds;
    bool once;        /* BUSY is an answer: it is counted and timed, and not asked again */
    double tail_rate; /* after an open loop: transfers a second, */
    double tail;      /* and for how many seconds; at most RESULT_TAIL_MAX halves */
} load_options_t;

/* What the books have to show for it. */
typedef struct {
    uint64_t acknowledged; /* minor units that were moved */
    uint64_t doubtful;     /* and that may have been */
    florin_id_t sample[LOAD_SAMPLE_MAX];
    size_t sample_count;
    florin_error_t first_error; /* code 0 when there was none */
} load_proof_t;

/* Runs to the end, late answers included; fills in *result, which brings its histogram, but for
 * `verified`. An error is one of setting up. */
int load_run(const load_options_t *options, const florin_client_options_t *client_options,
             traffic_t *traffic, result_t *result, load_proof_t *proof,
             florin_error_t *error) FLORIN_MUST_USE;

#endif
