/* Mailboxes between all threads: the workers 0..num_workers-1 and the main thread, which comes after them. */
#pragma once

#include "edge/base/limits.h"
#include "edge/io/mailbox.h"

/* Any burst of datagrams, or a part of a list, fits into half of a mailbox. */
enum { MESH_MAILBOX_BYTES = 256 << 10, MESH_MESSAGE_MAX = MESH_MAILBOX_BYTES / 2 - 64 };

struct mesh {
    uint32_t num_threads;
    struct mailbox *boxes; /* [from * num_threads + to] */
    struct doorbell bells[WORKERS_MAX + 1];
    uint8_t *memory;
    size_t bytes;
};

/* 0 or -errno. */
HF_MUST int mesh_open(struct mesh *mesh, uint32_t num_threads);
void mesh_close(struct mesh *mesh);

/* One thread's end. */
struct mesh_port {
    struct mesh *mesh;
    uint32_t self;
    bool written[WORKERS_MAX + 1]; /* to whom since the last flush */
};

struct mesh_port mesh_port(struct mesh *mesh, uint32_t self);
/* Room for a message to another thread, or NULL when its mailbox is full. */
HF_MUST void *mesh_room(struct mesh_port *port, uint32_t to, uint32_t len);
/* Half of its mailbox or more is taken. */
bool mesh_is_crowded(struct mesh_port *port, uint32_t to);
/* The next flush wakes this thread, with or without mail. */
void mesh_notify(struct mesh_port *port, uint32_t to);
/* Shows what was written and wakes who has something to read. */
void mesh_flush(struct mesh_port *port);
bool mesh_is_empty(struct mesh_port *port);
/* The mailbox from another thread to this one. */
struct mailbox *mesh_from(struct mesh_port *port, uint32_t from);
/* Before and after waiting for the doorbell. The first returns false when there is mail already. */
HF_MUST bool mesh_sleep(struct mesh_port *port);
void mesh_wake(struct mesh_port *port);
int mesh_bell_fd(const struct mesh_port *port);
