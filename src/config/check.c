/* capful check: a policy is read, granted, its mounts opened, its tests made, and what is
 * suspicious told; nothing of it is kept.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "config/builder.h"
#include "config/guard.h"
#include "policy/store.h"

static void check_mounts(struct loader *loader, struct capful_builder *builder)
{
    const struct policy_file *file = builder->file;
    for (size_t i = 0; i < file->n_mounts; i++) {
        const struct file_mount *mount = &file->mounts[i];
        struct capful_error why;
        int failed = builder_add_mount(builder, mount->host_path, mount->guest_path, mount->mode,
                                       mount->labels, &why);
        if (!failed)
            failed = guard_mount(builder, &builder->mounts[builder->n_mounts - 1], &why);
        if (failed == CAPFUL_ENOMEM)
            load_nomem(loader);
        else if (failed)
            load_problem_in(loader, mount->from, mount->offset, "%s", why.text);
    }
}

/* One that is there must be good; one that is not is not made now. */
static void check_accounts(struct loader *loader)
{
    const struct policy_file *file = loader->file;
    struct capful_error why;
    struct store *store;
    if (!file->accounts_file)
        return;
    if (access(file->accounts_file, F_OK) != 0) {
        const char *slash = strrchr(file->accounts_file, '/');
        char *directory =
            mem_dup(file->accounts_file,
                    slash > file->accounts_file ? (size_t)(slash - file->accounts_file) : 1);
        if (!directory)
            load_nomem(loader);
        else if (access(directory, W_OK | X_OK) != 0)
            load_problem(
                loader, file->accounts_offset, "%.300s cannot be made: %s", file->accounts_file,
                errno == ENOENT ? "its directory is not there" : "its directory cannot be written");
        mem_free(directory);
        return;
    }
    int failed = store_sqlite_open(file->accounts_file, &store, &why);
    if (failed == CAPFUL_ENOMEM)
        load_nomem(loader);
    else if (failed)
        load_problem_in(loader, file->accounts_from, file->accounts_offset, "%s", why.text);
    else
        store_free(store);
}

static int check_loaded(struct capful_builder *builder, const struct policy_source *source,
                        struct capful_error *err)
{
    struct policy_file *file = builder->file;
    struct loader loader = {.text = {file->text, file->len}, .source = source, .file = file};
    struct capful_error first;
    int failed = policy_grant(file, source, builder->tools, &first);
    if (failed == CAPFUL_ENOMEM)
        return err_nomem(err);
    check_mounts(&loader, builder);
    check_accounts(&loader);
    if (!failed) {
        tests_run(&loader, builder->tools);
        lint(&loader, builder->tools);
    }
    int outcome = load_outcome(&loader, err);
    if (failed && outcome != CAPFUL_ENOMEM && err)
        *err = first;
    return failed && outcome != CAPFUL_ENOMEM ? failed : outcome;
}

int policy_check(struct str text, const struct policy_source *source, struct capful_error *err)
{
    struct capful_builder *builder;
    int failed = capful_builder_new(&builder, err);
    if (failed)
        return failed;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set where nothing failed
    failed = policy_load(text, source, builder->tools, &builder->file, err);
    if (!failed)
        failed = check_loaded(builder, source, err);
    capful_builder_free(builder);
    return failed;
}
