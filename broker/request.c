#include <stdio.h>
#include <stdlib.h>

#include "broker/state.h"

void request_settle(florin_core_t *core, request_t *request)
{
    if (request->waiting)
        pool_take(request);
    pool_let_go(core, request);
    core->out.release(core->out.arg, request->body);
    request->body = NULL;
    if (request->worker == NULL)
        free(request);
}

void request_refuse(florin_core_t *core, request_t *request, Florin__V1__Status status,
                    const char *message)
{
    core->out.refuse(core->out.arg, request->body, status, message);
    request_settle(core, request);
}

void request_expire(florin_core_t *core, request_t *request)
{
    const pool_t *pool = request->pool;
    char message[FLORIN_SERVICE_BYTES_MAX + 160];
    (void)snprintf(message, sizeof message,
                   request->attempt == 0
                       ? "no worker of '%s' was free within %u ms; nothing was begun: try again"
                       : "'%s' gave no answer within %u ms; ask again with the same ids",
                   pool->name, pool->options.ttl_ms);
    request->pool->expired++;
    request_refuse(core, request, FLORIN__V1__STATUS__STATUS_EXPIRED, message);
}

void request_no_worker(florin_core_t *core, request_t *request)
{
    char message[FLORIN_SERVICE_BYTES_MAX + 160];
    bool begun = request->attempt > 0;
    if (begun)
        request->pool->unavailable++;
    else
        request->pool->no_service++;
    (void)snprintf(message, sizeof message,
                   begun ? "the worker of '%s' was lost and no other is there; ask again with the "
                           "same ids"
                         : "no worker serves '%s' now; nothing was begun: try again later",
                   request->pool->name);
    request_refuse(core, request,
                   begun ? FLORIN__V1__STATUS__STATUS_UNAVAILABLE
                         : FLORIN__V1__STATUS__STATUS_NO_SERVICE,
                   message);
}

void request_again(florin_core_t *core, request_t *request)
{
    char message[FLORIN_SERVICE_BYTES_MAX + 160];
    if (request->body == NULL) {
        free(request);
        return;
    }
    if (request->attempt < FLORIN_ATTEMPTS_MAX) {
        pool_wait(request, true);
        request->pool->redispatched++;
        return;
    }
    (void)snprintf(message, sizeof message,
                   "%u workers of '%s' were lost with this request; ask again with the same ids",
                   request->attempt, request->pool->name);
    request->pool->unavailable++;
    request_refuse(core, request, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, message);
}
