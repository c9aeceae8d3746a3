#include "broker/answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MMI             "mmi."
#define MMI_SERVICE     "mmi.service"
#define BROKER_STATUS   "florin.broker"
#define PRINCIPAL_BYTES 64 /* a key's name and NUL */
/* A request for the broker itself carries nothing but its id. */
#define OWN_BODY_BYTES_MAX 1024

uint8_t *florin_answer_refusal(Florin__V1__Status status, const char *message, size_t *bytes)
{
    char *text = strdup(message); /* the generated struct wants a char *, and only reads it */
    if (text == NULL)
        return NULL;
    Florin__V1__Reply reply = FLORIN__V1__REPLY__INIT;
    reply.status = status;
    reply.message = text;
    uint8_t *packed = malloc(florin__v1__reply__get_packed_size(&reply));
    if (packed != NULL)
        *bytes = florin__v1__reply__pack(&reply, packed);
    free(text);
    return packed;
}

size_t florin_answer_context(const florin_core_dispatch_t *dispatch, uint8_t *buffer,
                             size_t bytes_max)
{
    char principal[PRINCIPAL_BYTES];
    uint8_t trace_id[FLORIN_CORE_TRACE_BYTES];
    (void)snprintf(principal, sizeof principal, "%s", dispatch->principal);
    memcpy(trace_id, dispatch->trace_id, sizeof trace_id);
    Florin__V1__RequestContext context = FLORIN__V1__REQUEST_CONTEXT__INIT;
    context.principal = principal;
    context.ttl_ms = dispatch->ttl_ms;
    context.attempt = dispatch->attempt;
    context.trace_id = (ProtobufCBinaryData){sizeof trace_id, trace_id};
    if (florin__v1__request_context__get_packed_size(&context) > bytes_max)
        return 0;
    return florin__v1__request_context__pack(&context, buffer);
}

static uint8_t *text_answer(const char *text, size_t *bytes)
{
    *bytes = strlen(text);
    return (uint8_t *)strdup(text);
}

static bool is(florin_slice_t slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

static uint8_t *status_answer(const florin_core_t *core, florin_slice_t body, uint64_t now_ms,
                              size_t *bytes)
{
    Florin__V1__Request *request = NULL;
    if (body.size <= OWN_BODY_BYTES_MAX)
        request = florin__v1__request__unpack(NULL, body.size, body.data);
    florin_slice_t id = {0};
    if (request != NULL)
        id = (florin_slice_t){request->request_id.data, request->request_id.len};
    uint8_t *packed = florin_core_status(core, id, now_ms, bytes);
    florin__v1__request__free_unpacked(request, NULL);
    return packed;
}

bool florin_answer_own(const florin_core_t *core, florin_slice_t service, florin_slice_t body,
                       uint64_t now_ms, uint8_t **answer, size_t *bytes)
{
    if (is(service, BROKER_STATUS)) {
        *answer = status_answer(core, body, now_ms, bytes);
    } else if (is(service, MMI_SERVICE)) {
        bool served = is(body, BROKER_STATUS) || florin_core_serves(core, body);
        *answer = text_answer(served ? "200" : "404", bytes);
    } else if (service.size >= strlen(MMI) && memcmp(service.data, MMI, strlen(MMI)) == 0) {
        *answer = text_answer("501", bytes);
    } else {
        return false;
    }
    return true;
}
