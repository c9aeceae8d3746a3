/* Agreed time: what most of several clocks say, so that no single one can move it. Pure: no clock,
 * no I/O.
 *
 * Each source, a server or this machine, is asked what its clock says, between two readings of the
 * local boot-time clock, which only measures how much time passes. That bounds how far the source
 * is from it; the bounds grow with the sample's age, as clocks drift. A clock is right when it is
 * within a quarter of the bound from true time. The agreed time lies where most of the sources may
 * be right (Marzullo's algorithm); while most of them are, it is never further from true time than
 * the bound. */
#ifndef FLORIN_AGREED_H
#define FLORIN_AGREED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLORIN_AGREED_SOURCES_MAX 65
/* How much two clocks drift apart, at most: far more than what quartz does, and as much as slewing
 * does. */
#define FLORIN_AGREED_DRIFT_PPM 500

/* How far a source was ahead of the boot-time clock, ns. */
typedef struct {
    int64_t least, most;
    uint64_t at_ns; /* on the boot-time clock */
    bool known;
} florin_agreed_source_t;

typedef struct {
    florin_agreed_source_t sources[FLORIN_AGREED_SOURCES_MAX];
} florin_agreed_t;

/* All times but `unix_ns` are readings of the boot-time clock. The source's clock said `unix_ns` at
 * some moment between `sent_ns` and `received_ns`. */
void florin_agreed_take(florin_agreed_t *self, size_t source, uint64_t sent_ns,
                        uint64_t received_ns, uint64_t unix_ns);

/* How time stands at a moment. */
typedef struct {
    size_t voters; /* sources that are known well enough */
    size_t agree;  /* of these, those that agree */
    /* What may be the agreed time, ns since 1970. */
    uint64_t earliest, latest;
} florin_agreed_time_t;

/* False when there is no agreement: less than two voters, or not more than half of them. */
bool florin_agreed_at(const florin_agreed_t *self, uint64_t now_ns, uint64_t bound_ns,
                      florin_agreed_time_t *time);

/* How far a source is ahead of a time, ns; 0 when it is not known. */
int64_t florin_agreed_ahead(const florin_agreed_t *self, size_t source, uint64_t now_ns,
                            uint64_t unix_ns);

#endif
