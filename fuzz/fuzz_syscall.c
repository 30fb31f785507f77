/* Any call with any arguments on any memory: nothing is read or written outside, nothing is left
 * behind. */
#include <stdlib.h>

#include "fake_engine.h"
#include "fake_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;

static uint64_t take(unsigned bytes)
{
    uint64_t value = 0;
    for (; bytes > 0; bytes--)
        value = value << 8 | (left > 0 ? (left--, *input++) : 0);
    return value;
}

/* Numbers near the borders of memory, of descriptors and of types are worth more than others. */
static uint64_t argument(const struct fake *g)
{
    uint8_t kind = (uint8_t)take(1);
    switch (kind >> 5) {
    case 0: return kind & 31;
    case 1: return g->size - 16 + (kind & 31);
    case 2: return take(1) * 8;
    case 3: return UINT64_MAX - (kind & 31);
    case 4: return UINT64_C(1) << (2 * (kind & 31));
    case 5: return take(2);
    case 6: return take(4);
    default: return take(8);
    }
}

static void act(struct fake *g, uint32_t arg)
{
    uint64_t args[SYS_MAX_ARGS];
    (void)arg;
    for (uint32_t i = 0; i < 2048 && left > 0; i++)
        g->memory[i] = (uint8_t)take(1);
    while (left > 0) {
        int call = (int)(take(1) % SYSCALL_COUNT);
        for (int i = 0; i < SYS_MAX_ARGS; i++)
            args[i] = syscalls[call].params[0] && i < (int)strlen(syscalls[call].params)
                          ? argument(g)
                          : 0;
        fake_call_array(g, call, args);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_tree tree;
    input = data;
    left = size;
    tree_memory = 65536;
    tree_init(&tree, act, size > 0 && data[0] & 1, NULL);
    tree.box.kernel.limits.vfs_bytes = 1u << 20;
    tree_drive(&tree);
    kernel_end(&tree.box.kernel);
    if (kernel_check(&tree.box.kernel) || fake_engine_state.alive != 0)
        abort();
    tree_release(&tree);
    return 0;
}
