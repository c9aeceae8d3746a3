#include "test/broker/support/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/keys.h"

#define DEADLINE_MS 5000

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void make_keys(const stage_t *self)
{
    static const char *const names[][2] = {
        {"own", "broker"}, {"clients", "alice"}, {"workers", "worker"}, {"strangers", "mallory"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char folder[128];
        florin_error_t error;
        (void)snprintf(folder, sizeof folder, "%s/%s", self->folder, names[i][0]);
        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(florin_keys_generate(folder, names[i][1], &error), 0);
    }
}

static void write_configuration(const stage_t *self)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/broker.cfg", self->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "broker\n    clients = %s\n    clients = %s\n    workers = %s\n    workers = %s\n"
                  "    key = own/broker.key\n    client_keys = clients\n    worker_keys = workers\n"
                  "    log = error\n    ttl_ms = 4000\n"
                  "pools\n    small\n        queue_requests = 4\n        policy = round-robin\n",
                  self->clients, self->local_clients, self->workers, self->local_workers);
    assert_int_equal(fclose(file), 0);
}

static void *run(void *arg)
{
    stage_t *self = arg;
    florin_error_t error;
    (void)!florin_shell_run(self->shell, self->stop_fd, &error);
    florin_shell_destroy(&self->shell);
    return NULL;
}

int stage_setup(void **state)
{
    stage_t *self = calloc(1, sizeof *self);
    assert_non_null(self);
    (void)snprintf(self->folder, sizeof self->folder, "/tmp/florin-shell-XXXXXX");
    assert_non_null(mkdtemp(self->folder));
    (void)snprintf(self->clients, sizeof self->clients, "tcp://127.0.0.1:%u", free_port());
    (void)snprintf(self->workers, sizeof self->workers, "tcp://127.0.0.1:%u", free_port());
    (void)snprintf(self->local_clients, sizeof self->local_clients, "ipc://%s/c", self->folder);
    (void)snprintf(self->local_workers, sizeof self->local_workers, "ipc://%s/w", self->folder);
    make_keys(self);
    write_configuration(self);

    char path[128];
    florin_error_t error = {0};
    florin_broker_settings_t *settings = NULL;
    (void)snprintf(path, sizeof path, "%s/broker.cfg", self->folder);
    if (florin_broker_settings_load(path, &settings, &error) != 0 ||
        florin_shell_new(settings, NULL, &self->shell, &error) != 0)
        fail_msg("%s", error.message);
    florin_broker_settings_destroy(&settings);
    self->stop_fd = eventfd(0, EFD_CLOEXEC);
    self->context = zmq_ctx_new();
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
    self->running = true;
    *state = self;
    return 0;
}

void stage_end(stage_t *self)
{
    assert_int_equal(eventfd_write(self->stop_fd, 1), 0);
}

void stage_stop(stage_t *self)
{
    if (!self->running)
        return;
    stage_end(self);
    assert_int_equal(pthread_join(self->thread, NULL), 0);
    self->running = false;
}

int stage_teardown(void **state)
{
    stage_t *self = *state;
    stage_stop(self);
    for (size_t i = 0; i < self->sockets_count; i++)
        if (self->sockets[i] != NULL)
            (void)zmq_close(self->sockets[i]);
    (void)zmq_ctx_term(self->context);
    (void)close(self->stop_fd);
    zdir_t *folder = zdir_new(self->folder, NULL);
    zdir_remove(folder, true);
    zdir_destroy(&folder);
    free(self);
    return 0;
}

static void use_key(const stage_t *self, void *socket, const char *key)
{
    char path[160];
    char server_key[41];
    florin_error_t error;
    zcert_t *cert = NULL;
    (void)snprintf(path, sizeof path, "%s/own/broker.pub", self->folder);
    assert_int_equal(florin_keys_load_public(path, server_key, &error), 0);
    const char *folder = strcmp(key, "alice") == 0    ? "clients"
                         : strcmp(key, "worker") == 0 ? "workers"
                                                      : "strangers";
    (void)snprintf(path, sizeof path, "%s/%s/%s.key", self->folder, folder, key);
    assert_int_equal(florin_keys_load(path, &cert, &error), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, 41), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, zcert_public_key(cert), 32), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, zcert_secret_key(cert), 32), 0);
    zcert_destroy(&cert);
}

void *peer_connect(stage_t *self, int type, const char *endpoint, const char *key)
{
    const int linger = 0;
    void *socket = zmq_socket(self->context, type);
    assert_non_null(socket);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger), 0);
    if (key != NULL)
        use_key(self, socket, key);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    assert_true(self->sockets_count < sizeof self->sockets / sizeof self->sockets[0]);
    self->sockets[self->sockets_count++] = socket;
    return socket;
}

void peer_close(stage_t *self, void *socket)
{
    for (size_t i = 0; i < self->sockets_count; i++)
        if (self->sockets[i] == socket)
            self->sockets[i] = NULL;
    assert_int_equal(zmq_close(socket), 0);
}

void peer_say(void *socket, ...)
{
    zmsg_t *msg = zmsg_new();
    va_list texts;
    va_start(texts, socket);
    for (const char *text = va_arg(texts, const char *); text != NULL;
         text = va_arg(texts, const char *))
        zmsg_addstr(msg, text);
    va_end(texts);
    assert_int_equal(zmsg_send(&msg, socket), 0);
}

/* The next message but heartbeats; NULL when none comes in time. */
static zmsg_t *hear(void *socket, uint64_t until_ms)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    for (;;) {
        uint64_t now_ms = florin_clock_ms();
        if (now_ms >= until_ms || zmq_poll(&item, 1, (long)(until_ms - now_ms)) <= 0)
            return NULL;
        zmsg_t *msg = zmsg_recv(socket);
        assert_non_null(msg);
        zframe_t *last = zmsg_last(msg);
        if (zmsg_size(msg) != 3 || !zframe_streq(last, "\x04"))
            return msg;
        zmsg_destroy(&msg);
    }
}

zmsg_t *peer_hear(void *socket)
{
    zmsg_t *msg = hear(socket, florin_clock_ms() + DEADLINE_MS);
    assert_non_null(msg);
    return msg;
}

bool peer_hears_nothing(void *socket, int ms)
{
    zmsg_t *msg = hear(socket, florin_clock_ms() + (uint64_t)ms);
    bool nothing = msg == NULL;
    zmsg_destroy(&msg);
    return nothing;
}

void *peer_client(stage_t *self)
{
    return peer_connect(self, ZMQ_DEALER, self->local_clients, NULL);
}

void peer_ask(void *socket, const char *id, const char *service, const char *body)
{
    peer_say(socket, id, "", "MDPC01", service, body, NULL);
}

void *peer_worker(stage_t *self, const char *service)
{
    void *worker = peer_connect(self, ZMQ_DEALER, self->local_workers, NULL);
    peer_say(worker, "", "MDPW01", "\x01", service, NULL);
    void *client = peer_client(self);
    for (bool known = false; !known;) {
        peer_ask(client, "mmi", "mmi.service", service);
        zmsg_t *msg = peer_hear(client);
        known = zframe_streq(zmsg_last(msg), "200");
        zmsg_destroy(&msg);
    }
    peer_close(self, client);
    return worker;
}

void peer_echo(void *worker)
{
    zmsg_t *msg = peer_hear(worker);
    char *token;
    for (int i = 0; i < 3; i++) {
        zframe_t *frame = zmsg_pop(msg); /* empty, MDPW01, REQUEST */
        zframe_destroy(&frame);
    }
    token = zmsg_popstr(msg);
    zmsg_pushstr(msg, token); /* and after it the empty frame and the body, as they came */
    zmsg_pushstr(msg, "\x03");
    zmsg_pushstr(msg, "MDPW01");
    zmsg_pushstr(msg, "");
    assert_int_equal(zmsg_send(&msg, worker), 0);
    free(token);
}

Florin__V1__Reply *peer_hear_reply(void *socket)
{
    zmsg_t *msg = peer_hear(socket);
    zframe_t *body = zmsg_last(msg);
    Florin__V1__Reply *reply =
        florin__v1__reply__unpack(NULL, zframe_size(body), zframe_data(body));
    assert_non_null(reply);
    zmsg_destroy(&msg);
    return reply;
}
