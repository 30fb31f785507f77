/* Life of grants; see grant.h. */
#include "policy/grant.h"

#include "base/mem.h"

struct grant *grant_ref(struct grant *grant)
{
    atomic_fetch_add_explicit(&grant->refs, 1, memory_order_relaxed);
    return grant;
}

static void pointers_free(struct pointer *pointers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pointer_release(&pointers[i]);
    mem_free(pointers);
}

static void grant_free(struct grant *grant)
{
    for (size_t i = 0; i < grant->tools.n; i++)
        mem_free(grant->tools.patterns[i]);
    mem_free(grant->tools.patterns);
    for (size_t i = 0; i < grant->n_binds; i++) {
        mem_free(grant->binds[i].name);
        mem_free(grant->binds[i].value);
        pointer_release(&grant->binds[i].context);
    }
    mem_free(grant->binds);
    pointers_free(grant->result.drop, grant->result.n_drop);
    pointers_free(grant->result.mask, grant->result.n_mask);
    where_free(grant->where);
    where_free(grant->approve_when);
    mem_free(grant->name);
    mem_free(grant);
}

void grant_unref(struct grant *grant)
{
    while (grant && atomic_fetch_sub_explicit(&grant->refs, 1, memory_order_acq_rel) == 1) {
        struct grant *parent = grant->parent;
        grant_free(grant);
        grant = parent;
    }
}

void grant_revoke(struct grant *grant)
{
    atomic_store_explicit(&grant->revoked, true, memory_order_release);
}

const struct grant *grant_revoked(const struct grant *grant)
{
    while (grant && !atomic_load_explicit(&grant->revoked, memory_order_acquire))
        grant = grant->parent;
    return grant;
}

void grant_chain(const struct grant *grant, struct grant_chain *ret)
{
    ret->n = grant->depth + 1;
    for (size_t i = ret->n; i-- > 0; grant = grant->parent)
        ret->nodes[i] = grant;
}

label_set grant_labels(const struct grant *grant)
{
    label_set labels = 0;
    for (; grant; grant = grant->parent)
        labels |= grant->labels;
    return labels;
}

bool grant_binds(const struct grant *grant, struct str name)
{
    for (size_t i = 0; i < grant->n_binds; i++)
        if (str_equal(str_of(grant->binds[i].name), name))
            return true;
    return false;
}
