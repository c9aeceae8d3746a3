/* The messages that the broker makes itself. Answers are packed into bytes that the caller frees
 * with free; NULL when there is no memory. */
#ifndef FLORIN_BROKER_ANSWERS_H
#define FLORIN_BROKER_ANSWERS_H

#include "broker/core.h"

/* A florin.v1.Reply with a status and a message. */
uint8_t *florin_answer_refusal(Florin__V1__Status status, const char *message, size_t *bytes);

/* A florin.v1.RequestContext, packed into `buffer`; 0 bytes when it does not fit. */
size_t florin_answer_context(const florin_core_dispatch_t *dispatch, uint8_t *buffer,
                             size_t bytes_max);

/* Answers a service of the broker's own: mmi.* (8/MMI, plain text) and florin.broker. False for any
 * other service. */
bool florin_answer_own(const florin_core_t *core, florin_slice_t service, florin_slice_t body,
                       uint64_t now_ms, uint8_t **answer, size_t *bytes) FLORIN_MUST_USE;

#endif
