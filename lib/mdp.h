/* Majordomo frames: 7/MDP (MDPC01, MDPW01) and 8/MMI, read from slices of bytes. Nothing is copied
 * and nothing is asserted: what arrives here was written by anyone. */
#ifndef FLORIN_MDP_H
#define FLORIN_MDP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/limits.h"

#define FLORIN_MDP_CLIENT       "MDPC01"
#define FLORIN_MDP_WORKER       "MDPW01"
#define FLORIN_MDP_HEADER_BYTES 6

typedef enum {
    FLORIN_MDP_READY = 1,
    FLORIN_MDP_REQUEST = 2,
    FLORIN_MDP_REPLY = 3,
    FLORIN_MDP_HEARTBEAT = 4,
    FLORIN_MDP_DISCONNECT = 5,
    /* Florin's own, between its broker and workers whose hello says `packs`: several requests, or
     * replies, in one message with one frame, a pack. */
    FLORIN_MDP_REQUESTS = 6,
    FLORIN_MDP_REPLIES = 7
} florin_mdp_command_t;

/* Some frames of a message: borrowed. */
typedef struct {
    const uint8_t *data;
    size_t size;
} florin_slice_t;

/* The most frames that any message may have, the routing id among them. */
#define FLORIN_MDP_FRAMES_MAX (FLORIN_RETURN_PATH_FRAMES_MAX + FLORIN_BODY_FRAMES_MAX + 5)

/* What a ROUTER got from a client:
 *   routing id, return path (0 to 4 frames), empty, MDPC01, service, body (1 to 16 frames). */
typedef struct {
    size_t path_count;      /* frames[1 .. path_count]: the return path */
    florin_slice_t service; /* 1 to 255 printable bytes */
    size_t body;            /* index of the body's first frame */
    size_t body_count;      /* at least 1 */
    size_t body_bytes;
} florin_mdp_client_request_t;

/* Returns 0, or FLORIN_ERROR_INVALID for what is no such message, or FLORIN_ERROR_TOO_LARGE for one
 * whose body is past FLORIN_BODY_BYTES_MAX (then *request is filled all the same). */
int florin_mdp_client_request_parse(const florin_slice_t *frames, size_t count,
                                    florin_mdp_client_request_t *request) FLORIN_MUST_USE;

/* What a ROUTER got from a worker: routing id, empty, MDPW01, command, and after it
 *   READY: service [hello] · REPLY: token [empty] body... · REPLIES: pack ·
 *   HEARTBEAT, DISCONNECT: nothing. */
typedef struct {
    florin_mdp_command_t command;
    florin_slice_t service; /* READY */
    florin_slice_t hello;   /* READY; data is NULL when there is none */
    florin_slice_t token;   /* REPLY */
    size_t body;            /* REPLY: index of the body's first frame */
    size_t body_count;      /* may be 0: the worker sent none */
    size_t body_bytes;
    florin_slice_t pack; /* REPLIES: token, body, token, body... */
} florin_mdp_worker_msg_t;

int florin_mdp_worker_msg_parse(const florin_slice_t *frames, size_t count,
                                florin_mdp_worker_msg_t *msg) FLORIN_MUST_USE;

/* What a client's DEALER got from the broker: return path, empty, MDPC01, service, body. */
typedef struct {
    size_t path_count; /* frames[0 .. path_count-1] */
    florin_slice_t service;
    size_t body;
    size_t body_count;
} florin_mdp_client_reply_t;

int florin_mdp_client_reply_parse(const florin_slice_t *frames, size_t count,
                                  florin_mdp_client_reply_t *reply) FLORIN_MUST_USE;

/* What a worker's DEALER got from the broker: empty, MDPW01, command, and after it
 *   REQUEST: token, empty, [context,] body · REQUESTS: pack · HEARTBEAT, DISCONNECT: nothing.
 * A worker that said hello gets the context; `hello` says so. */
typedef struct {
    florin_mdp_command_t command;
    florin_slice_t token;
    florin_slice_t context; /* data is NULL when there is none */
    size_t body;
    size_t body_count;
    florin_slice_t pack; /* REQUESTS: token, context, body, token... */
} florin_mdp_worker_request_t;

int florin_mdp_worker_request_parse(const florin_slice_t *frames, size_t count, bool hello,
                                    florin_mdp_worker_request_t *request) FLORIN_MUST_USE;

/* A pack is parts one after the other: 4 bytes of length, big-endian, and as many bytes.
 * Puts a part at `pack` + *used and moves *used on; the caller has room for
 * FLORIN_MDP_PART_BYTES (part.size). */
#define FLORIN_MDP_PART_BYTES(size) ((size) + 4)
void florin_mdp_part_put(uint8_t *pack, size_t *used, florin_slice_t part);

/* Takes the first part off the pack; false when it has none, or is cut off in its middle. */
bool florin_mdp_part_take(florin_slice_t *pack, florin_slice_t *part) FLORIN_MUST_USE;

/* True for a service's name: 1 to 255 bytes, printable ASCII (0x21 to 0x7e). */
bool florin_mdp_service_valid(florin_slice_t service);

#endif
