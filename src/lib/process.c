/* What concerns the whole host process: version, ceilings, licences. */
#include "lib/sandbox.h"

#include "engine/engine.h"

extern const char licenses_start[], licenses_end[];

const char *capful_version(void)
{
    return CAPFUL_VERSION;
}

int capful_engine_configure(const struct capful_engine_options *options, struct capful_error *err)
{
    return engine_configure(options, err);
}

const char *capful_licenses(size_t *ret_len)
{
    if (ret_len)
        *ret_len = (size_t)((uintptr_t)licenses_end - (uintptr_t)licenses_start);
    return licenses_start;
}

const char *capful_engine_kind(struct capful_error *err)
{
    if (engine_start(err) != 0)
        return NULL;
    return engine_is_fast() ? "fast" : "plain";
}
