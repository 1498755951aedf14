#include "edge/base/heap.h"

size_t heap_bytes(uint32_t capacity)
{
    return (size_t)capacity * (sizeof(ns_t) + 2 * sizeof(uint32_t));
}

void heap_init(struct heap *heap, void *memory, uint32_t capacity)
{
    hf_assert(capacity < HEAP_ABSENT);
    ns_t *deadline = memory;
    uint32_t *position = capacity == 0 ? NULL : (uint32_t *)(deadline + capacity);
    uint32_t *order = capacity == 0 ? NULL : position + capacity;
    *heap = (struct heap){.deadline = deadline, .position = position, .order = order, .capacity = capacity};
}

static bool is_before(const struct heap *heap, uint32_t a, uint32_t b)
{
    return heap->deadline[a] != heap->deadline[b] ? heap->deadline[a] < heap->deadline[b] : a < b;
}

static void id_place(struct heap *heap, uint32_t id, uint32_t at)
{
    heap->order[at] = id;
    heap->position[id] = at + 1;
}

/* Moves an id from place `at` towards the root until its parent is earlier. */
static uint32_t sift_up(struct heap *heap, uint32_t id, uint32_t at)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (!is_before(heap, id, heap->order[parent])) {
            break;
        }
        id_place(heap, heap->order[parent], at);
        at = parent;
    }
    return at;
}

/* Moves an id from place `at` towards the leaves until both children are later. */
static uint32_t sift_down(struct heap *heap, uint32_t id, uint32_t at)
{
    while (at < heap->count / 2) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < heap->count && is_before(heap, heap->order[child + 1], heap->order[child])) {
            child++;
        }
        if (!is_before(heap, heap->order[child], id)) {
            break;
        }
        id_place(heap, heap->order[child], at);
        at = child;
    }
    return at;
}

static void id_settle(struct heap *heap, uint32_t id, uint32_t at)
{
    at = sift_up(heap, id, at);
    at = sift_down(heap, id, at);
    id_place(heap, id, at);
}

static void id_remove(struct heap *heap, uint32_t id)
{
    uint32_t at = heap->position[id] - 1;
    heap->position[id] = 0;
    uint32_t last = heap->order[--heap->count];
    if (last != id) {
        id_settle(heap, last, at);
    }
}

void heap_set(struct heap *heap, uint32_t id, ns_t deadline)
{
    hf_assert(id < heap->capacity);
    bool present = heap->position[id] != 0;
    if (deadline == NS_NEVER) {
        if (present) {
            id_remove(heap, id);
        }
        return;
    }
    uint32_t at = present ? heap->position[id] - 1 : heap->count++;
    heap->deadline[id] = deadline;
    id_settle(heap, id, at);
}

ns_t heap_first(const struct heap *heap, uint32_t *ret_id)
{
    *ret_id = heap->count == 0 ? HEAP_ABSENT : heap->order[0];
    return heap->count == 0 ? NS_NEVER : heap->deadline[heap->order[0]];
}
