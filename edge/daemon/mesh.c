#include "edge/daemon/mesh.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct mailbox *box_of(struct mesh *mesh, uint32_t from, uint32_t to)
{
    hf_assert(from < mesh->num_threads && to < mesh->num_threads && from != to);
    return &mesh->boxes[from * mesh->num_threads + to];
}

static int open_boxes(struct mesh *mesh)
{
    size_t count = (size_t)mesh->num_threads * mesh->num_threads;
    mesh->boxes = aligned_alloc(_Alignof(struct mailbox), count * sizeof(*mesh->boxes));
    mesh->bytes = count * MESH_MAILBOX_BYTES; /* untouched pages cost nothing */
    mesh->memory =
        mmap(NULL, mesh->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mesh->memory == MAP_FAILED) {
        mesh->memory = NULL;
    }
    if (mesh->boxes == NULL || mesh->memory == NULL) {
        return -ENOMEM;
    }
    (void)madvise(mesh->memory, mesh->bytes, MADV_DONTDUMP);
    for (size_t i = 0; i < count; i++) {
        mailbox_init(&mesh->boxes[i], mesh->memory + i * MESH_MAILBOX_BYTES, MESH_MAILBOX_BYTES);
    }
    return 0;
}

int mesh_open(struct mesh *mesh, uint32_t num_threads)
{
    hf_assert(num_threads >= 2 && num_threads <= WORKERS_MAX + 1);
    *mesh = (struct mesh){.num_threads = num_threads};
    for (uint32_t i = 0; i < HF_COUNT(mesh->bells); i++) {
        mesh->bells[i].fd = -1;
    }
    int error = open_boxes(mesh);
    for (uint32_t i = 0; i < num_threads && error == 0; i++) {
        error = doorbell_open(&mesh->bells[i]);
    }
    if (error != 0) {
        mesh_close(mesh);
    }
    return error;
}

void mesh_close(struct mesh *mesh)
{
    if (mesh->num_threads == 0) {
        return;
    }
    for (uint32_t i = 0; i < mesh->num_threads; i++) {
        doorbell_close(&mesh->bells[i]);
    }
    if (mesh->memory != NULL) {
        munmap(mesh->memory, mesh->bytes);
    }
    free(mesh->boxes);
    *mesh = (struct mesh){0};
}

struct mesh_port mesh_port(struct mesh *mesh, uint32_t self)
{
    return (struct mesh_port){.mesh = mesh, .self = self};
}

void *mesh_room(struct mesh_port *port, uint32_t to, uint32_t len)
{
    void *room = mailbox_room(box_of(port->mesh, port->self, to), len);
    port->written[to] = true; /* a full one too: its reader should hurry */
    return room;
}

bool mesh_is_crowded(struct mesh_port *port, uint32_t to)
{
    return mailbox_is_crowded(box_of(port->mesh, port->self, to));
}

void mesh_notify(struct mesh_port *port, uint32_t to)
{
    port->written[to] = true;
}

void mesh_flush(struct mesh_port *port)
{
    for (uint32_t to = 0; to < port->mesh->num_threads; to++) {
        if (port->written[to]) {
            mailbox_show(box_of(port->mesh, port->self, to));
            doorbell_ring(&port->mesh->bells[to]);
            port->written[to] = false;
        }
    }
}

struct mailbox *mesh_from(struct mesh_port *port, uint32_t from)
{
    return box_of(port->mesh, from, port->self);
}

bool mesh_is_empty(struct mesh_port *port)
{
    for (uint32_t from = 0; from < port->mesh->num_threads; from++) {
        if (from != port->self && !mailbox_is_empty(mesh_from(port, from))) {
            return false;
        }
    }
    return true;
}

bool mesh_sleep(struct mesh_port *port)
{
    doorbell_sleep(&port->mesh->bells[port->self]);
    return mesh_is_empty(port);
}

void mesh_wake(struct mesh_port *port)
{
    doorbell_wake(&port->mesh->bells[port->self]);
}

int mesh_bell_fd(const struct mesh_port *port)
{
    return port->mesh->bells[port->self].fd;
}
