#include "broker/zap.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "broker/message.h"
#include "lib/clock.h"
#include "lib/keys.h"
#include "lib/log.h"

#define ZAP_VERSION         "1.0"
#define KEY_BYTES           32
#define KEY_TEXT_BYTES      41
#define USER_ID_BYTES       64
#define REFUSED_CELLS       64
#define REFUSED_LOG_REST_MS (60 * 1000)

/* A ZAP request: version, request id, domain, address, identity, mechanism, credentials... */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS, FRAMES };

struct florin_zap {
    void *socket;
    pthread_t thread;
    florin_keyring_t *clients;
    florin_keyring_t *workers;
    uint64_t refused_ms[REFUSED_CELLS]; /* when a refused key of that cell was logged */
};

static bool is(florin_slice_t slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

/* Once a key a minute at most; and as keys share the cells, a guesser of keys floods no log. */
static void log_refused(florin_zap_t *self, const florin_slice_t *frames)
{
    const uint8_t *key = frames[CREDENTIALS].data;
    uint64_t *logged_ms = &self->refused_ms[key[0] % REFUSED_CELLS];
    uint64_t now_ms = florin_clock_ms();
    if (*logged_ms != 0 && now_ms - *logged_ms < REFUSED_LOG_REST_MS)
        return;
    *logged_ms = now_ms;
    char key_text[KEY_TEXT_BYTES];
    (void)zmq_z85_encode(key_text, key, KEY_BYTES);
    florin_log(FLORIN_LOG_WARN, "key_refused",
               "key %s from %.*s is not in the folder of %.*s: put its NAME.pub there to let it in",
               key_text, (int)frames[ADDRESS].size, (const char *)frames[ADDRESS].data,
               (int)frames[DOMAIN].size, (const char *)frames[DOMAIN].data);
}

/* Of an ipc peer libzmq gives the address "localhost:UID:GID:PID". */
static void local_user(florin_slice_t address, char user_id[USER_ID_BYTES])
{
    const char *text = (const char *)address.data;
    const char *colon = memchr(text, ':', address.size);
    size_t start = colon != NULL ? (size_t)(colon - text) + 1 : address.size;
    size_t end = start;
    while (end < address.size && text[end] >= '0' && text[end] <= '9')
        end++;
    if (end > start && end - start <= 10)
        (void)snprintf(user_id, USER_ID_BYTES, "uid:%.*s", (int)(end - start), text + start);
    else
        (void)snprintf(user_id, USER_ID_BYTES, "local");
}

/* Writes the principal of who wants in; false for no. */
static bool admit(florin_zap_t *self, const florin_message_t *request, char user_id[USER_ID_BYTES])
{
    const florin_slice_t *frames = request->slices;
    if (request->too_long || request->count < CREDENTIALS || !is(frames[VERSION], ZAP_VERSION))
        return false;
    if (is(frames[DOMAIN], FLORIN_ZAP_LOCAL) && is(frames[MECHANISM], "NULL")) {
        local_user(frames[ADDRESS], user_id);
        return true;
    }
    florin_keyring_t *keyring = is(frames[DOMAIN], FLORIN_ZAP_CLIENTS)   ? self->clients
                                : is(frames[DOMAIN], FLORIN_ZAP_WORKERS) ? self->workers
                                                                         : NULL;
    if (keyring == NULL || !is(frames[MECHANISM], "CURVE") || request->count != FRAMES ||
        frames[CREDENTIALS].size != KEY_BYTES)
        return false;
    const char *principal = florin_keyring_find(keyring, frames[CREDENTIALS].data);
    if (principal == NULL) {
        log_refused(self, frames);
        return false;
    }
    (void)snprintf(user_id, USER_ID_BYTES, "%s", principal);
    return true;
}

static void answer(florin_zap_t *self, const florin_message_t *request, const char *user_id)
{
    bool ok = user_id[0] != '\0';
    const char *status = ok ? "200" : "400";
    const char *text = ok ? "OK" : "this key may not come in";
    const florin_frame_t frames[] = {
        {request->slices[REQUEST_ID].data, request->slices[REQUEST_ID].size},
        {status, strlen(status)},
        {text, strlen(text)},
        {user_id, strlen(user_id)},
        {"", 0},
    };
    const florin_slice_t version = {(const uint8_t *)ZAP_VERSION, strlen(ZAP_VERSION)};
    (void)florin_message_send(self->socket, version, frames, sizeof frames / sizeof frames[0],
                              false);
}

static void *run(void *arg)
{
    florin_zap_t *self = arg;
    zmq_pollitem_t item = {.socket = self->socket, .events = ZMQ_POLLIN};
    florin_message_t request;
    /* The wait ends with ETERM when the context is shut down. */
    while (zmq_poll(&item, 1, -1) >= 0 || zmq_errno() != ETERM) {
        if (!florin_message_receive(self->socket, &request))
            continue;
        char user_id[USER_ID_BYTES] = "";
        if (!admit(self, &request, user_id))
            user_id[0] = '\0';
        if (request.count > REQUEST_ID)
            answer(self, &request, user_id);
        florin_message_close(&request);
    }
    (void)zmq_close(self->socket);
    return NULL;
}

int florin_zap_new(void *context, const char *client_keys, const char *worker_keys,
                   florin_zap_t **zap, florin_error_t *error)
{
    *zap = NULL;
    florin_zap_t *self = calloc(1, sizeof *self);
    if (self == NULL)
        return florin_error_set(error, FLORIN_ERROR_MEMORY, "no memory for the key check");
    int rc = FLORIN_OK;
    if (client_keys[0] != '\0')
        rc = florin_keyring_new(client_keys, &self->clients, error);
    if (rc == FLORIN_OK && worker_keys[0] != '\0')
        rc = florin_keyring_new(worker_keys, &self->workers, error);
    if (rc != FLORIN_OK)
        goto out;
    self->socket = zmq_socket(context, ZMQ_REP);
    if (self->socket == NULL || zmq_bind(self->socket, "inproc://zeromq.zap.01") != 0 ||
        pthread_create(&self->thread, NULL, run, self) != 0) {
        rc = florin_error_set(error, FLORIN_ERROR_SYSTEM, "the key check does not start: %s",
                              zmq_strerror(zmq_errno()));
        goto out;
    }
    *zap = self;
    return FLORIN_OK;
out:
    if (self->socket != NULL)
        (void)zmq_close(self->socket);
    florin_keyring_destroy(&self->clients);
    florin_keyring_destroy(&self->workers);
    free(self);
    return rc;
}

void florin_zap_destroy(florin_zap_t **self_p)
{
    florin_zap_t *self = *self_p;
    if (self == NULL)
        return;
    (void)pthread_join(self->thread, NULL);
    florin_keyring_destroy(&self->clients);
    florin_keyring_destroy(&self->workers);
    free(self);
    *self_p = NULL;
}
