/* Going on in a new file. The name of the log always leads to a file that can be appended to, and
 * whatever the moment at which a writer is ended, the next one can go on:
 *
 *   log                 its last record becomes `rotate`, which says: kept as log.3
 *   log.new             made, with one record `log` that hangs on the `rotate`
 *   log = log.3         a second name for the full file
 *   log.new -> log      one step; from here on others find the new file
 *   log.3               older ones than are to be kept are removed
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "audit/writer.h"
#include "base/err.h"

/* LOG.NUMBER or LOG.new; a name that is too long is found out by the system. */
static const char *other_name(const struct audit *audit, uint64_t number, char room[NAME_MAX + 32])
{
    snprintf(room, NAME_MAX + 32, "%s.%llu", audit->name, (unsigned long long)number);
    return room;
}

static int make_file(struct audit *audit, const char *name, struct capful_error *err)
{
    static const struct chain_torn none = {.given = false};
    struct disk_stat st;
    (void)disk_unlink(audit->dir, name); /* of a writer that was ended in the middle */
    int fd = disk_open(audit->dir, name, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return audit_fail(audit, fd, "the next file cannot be made", err);
    audit->at.fd = fd;
    audit->at.number++;
    audit->at.size = audit->at.end = 0;
    audit->at.rotated = false;
    int failed = disk_mode(fd, (mode_t)audit->at.mode);
    if (!failed)
        failed = disk_stat(fd, &st);
    if (!failed)
        failed = disk_lock(fd, false);
    if (failed)
        return audit_fail(audit, failed, "the next file cannot be made", err);
    audit->at.device = st.device;
    audit->at.inode = st.inode;
    return audit_put_log(audit, &none, STR(""), err);
}

/* The full file's second name; it is there already where a writer was ended after this. */
static int keep_file(struct audit *audit, const struct audit_file *full)
{
    char name[NAME_MAX + 32];
    struct disk_stat st;
    other_name(audit, full->number, name);
    int failed = disk_link(audit->dir, audit->name, name);
    if (failed == -EEXIST && disk_stat_at(audit->dir, name, &st) == 0 &&
        disk_same(full->device, full->inode, &st))
        return 0;
    return failed;
}

static void remove_old(struct audit *audit)
{
    char name[NAME_MAX + 32];
    uint64_t newest = audit->at.number - 1;
    if (audit->rotate_keep == 0)
        return;
    for (uint64_t n = newest; n > audit->rotate_keep; n--)
        if (disk_unlink(audit->dir, other_name(audit, n - audit->rotate_keep, name)) != 0)
            break;
}

/* The new file is complete and in no one's way yet. */
static int exchange(struct audit *audit, const struct audit_file *full, const char *name,
                    struct capful_error *err)
{
    int failed = disk_sync(full->fd);
    if (!failed)
        failed = disk_sync(audit->at.fd);
    if (!failed)
        failed = keep_file(audit, full);
    if (!failed)
        failed = disk_rename(audit->dir, name, audit->name);
    if (!failed)
        failed = disk_sync(audit->dir);
    return failed ? audit_fail(audit, failed, "the full file cannot be kept", err) : 0;
}

int audit_go_on(struct audit *audit, struct capful_error *err)
{
    char name[NAME_MAX + 32];
    struct audit_file full = audit->at;
    snprintf(name, sizeof name, "%s.new", audit->name);
    int failed = make_file(audit, name, err);
    if (!failed)
        failed = exchange(audit, &full, name, err);
    if (failed) {
        if (audit->at.fd != full.fd)
            disk_close(audit->at.fd);
        audit->at = full;
        return failed;
    }
    disk_close(full.fd); /* and its lock */
    remove_old(audit);
    return 0;
}

int audit_rotate(struct audit *audit, struct capful_error *err)
{
    char body[400];
    int len = snprintf(body, sizeof body, ",\"file\":%llu", (unsigned long long)audit->at.number);
    if (audit->is_signed) {
        int more = audit_print_signature(audit, body + len, sizeof body - (size_t)len, err);
        if (more < 0)
            return more;
        len += more;
    }
    int failed = audit_put(audit, "rotate", STR(""), (struct str){body, (size_t)len}, STR(""), err);
    if (failed)
        return failed;
    audit->at.rotated = true;
    if (audit->is_signed)
        audit->not_signed = 0;
    return audit_go_on(audit, err);
}
