/* Appending to a log, see writer.h: many threads and processes, one chain. */
#include "audit/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rand.h"

#define HOPS_MAX 100 /* rotations that a waiting writer follows in one go */

#define SHORT_LINE 2048

#define FIRST_BYTES "{\"seq\":1,\"time\":\""

int audit_fail(const struct audit *audit, int error, const char *what, struct capful_error *err)
{
    return err_set(err, CAPFUL_EFILE, "audit log %.200s: %s: %s", audit->path, what,
                   strerror(-error));
}

static int say(const struct audit *audit, const char *what, struct capful_error *err)
{
    return err_set(err, CAPFUL_EFILE, "audit log %.200s %s", audit->path, what);
}

/* ------------------------------------------------------------------ writing a line */

/* A regular file takes all of it unless something is wrong, which the next call then tells. */
static int write_all(struct audit *audit, struct iovec *pieces, int count)
{
    for (;;) {
        ssize_t n = disk_write(audit->at.fd, pieces, count);
        if (n < 0)
            return (int)n;
        audit->at.end += (size_t)n;
        for (; count > 0 && (size_t)n >= pieces->iov_len; pieces++, count--)
            n -= (ssize_t)pieces->iov_len;
        if (count == 0)
            return 0;
        pieces->iov_base = (char *)pieces->iov_base + n;
        pieces->iov_len -= (size_t)n;
    }
}

static struct iovec piece_of(struct str text)
{
    return (struct iovec){(void *)text.ptr, text.len};
}

/* One piece is cheaper than four, where they are short. */
static int write_line(struct audit *audit, const struct str pieces[4])
{
    char room[SHORT_LINE];
    struct iovec parts[4];
    size_t len = 0;
    for (int i = 0; i < 4; i++) {
        parts[i] = piece_of(pieces[i]);
        len += pieces[i].len;
    }
    if (len > sizeof room)
        return write_all(audit, parts, 4);
    len = 0;
    for (int i = 0; i < 4; i++) {
        memcpy(room + len, pieces[i].ptr, pieces[i].len);
        len += pieces[i].len;
    }
    return write_all(audit, &(struct iovec){room, len}, 1);
}

int audit_put(struct audit *audit, const char *type, struct str run, struct str body,
              struct str before, struct capful_error *err)
{
    char head[CHAIN_HEAD_MAX], tail[CHAIN_TAIL];
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    size_t len = chain_put_head(head, audit->at.seq + 1, clock_real(), type, run, audit->at.hash);
    sha256_init(&hash);
    sha256_add(&hash, head, len);
    sha256_add(&hash, body.ptr, body.len);
    sha256_end(&hash, digest);
    chain_put_tail(tail, digest);
    int failed =
        write_line(audit, (const struct str[]){before, {head, len}, body, {tail, CHAIN_TAIL}});
    if (failed)
        return audit_fail(audit, failed, "cannot be written", err);
    audit->at.size = audit->at.end;
    audit->at.seq++;
    memcpy(audit->at.hash, digest, SHA256_SIZE);
    audit->not_signed++;
    return 0;
}

static size_t print_torn(char *room, size_t size, const struct chain_torn *torn)
{
    char hex[CHAIN_HEX + 1];
    if (!torn->given)
        return 0;
    sha256_hex(torn->hash, hex);
    return (size_t)snprintf(room, size, ",\"torn\":%llu,\"torn_sha256\":\"%s\"",
                            (unsigned long long)torn->bytes, hex);
}

int audit_put_log(struct audit *audit, const struct chain_torn *torn, struct str before,
                  struct capful_error *err)
{
    char body[300];
    size_t len = (size_t)snprintf(body, sizeof body, ",\"version\":1,\"file\":%llu,\"log\":\"%s\"",
                                  (unsigned long long)audit->at.number, audit->id);
    len += print_torn(body + len, sizeof body - len, torn);
    return audit_put(audit, "log", STR(""), (struct str){body, len}, before, err);
}

int audit_print_signature(const struct audit *audit, char *room, size_t size,
                          struct capful_error *err)
{
    uint8_t signature[64];
    char key[65] = "", hex[129] = "";
    if (sign_hash(audit->seed, audit->at.hash, signature) != 0)
        return say(audit, "cannot be signed", err);
    chain_to_hex(audit->public_key, sizeof audit->public_key, key);
    chain_to_hex(signature, sizeof signature, hex);
    return snprintf(room, size, ",\"key\":\"%s\",\"signature\":\"%s\"", key, hex);
}

static int put_head(struct audit *audit, struct capful_error *err)
{
    char body[300];
    int len = audit_print_signature(audit, body, sizeof body, err);
    if (len < 0)
        return len;
    int failed = audit_put(audit, "head", STR(""), (struct str){body, (size_t)len}, STR(""), err);
    if (!failed)
        audit->not_signed = 0;
    return failed;
}

/* ------------------------------------------------------------------ the end of the file */

/* A new file, or one whose writer was ended in its first line. */
static int begin_log(struct audit *audit, const struct chain_torn *torn, struct str before,
                     struct capful_error *err)
{
    uint8_t id[CHAIN_LOG / 2];
    if (!rand_bytes(id, sizeof id))
        return say(audit, "cannot begin: the host gives no random bytes", err);
    chain_to_hex(id, sizeof id, audit->id);
    audit->at.number = 1;
    int failed = audit_put_log(audit, torn, before, err);
    if (failed)
        audit->at.number = 0;
    return failed;
}

/* Closes what is torn, and says how much it was. */
static int recover(struct audit *audit, struct str torn, bool open, struct capful_error *err)
{
    struct str mark = open ? STR(TORN_MARK) : STR("");
    struct chain_torn told = {.given = torn.len > 0, .bytes = torn.len + mark.len};
    struct sha256 hash;
    char body[200];
    sha256_init(&hash);
    sha256_add(&hash, torn.ptr, torn.len);
    sha256_add(&hash, mark.ptr, mark.len);
    sha256_end(&hash, told.hash);
    if (audit->at.seq == 0)
        return begin_log(audit, &told, mark, err);
    size_t len = print_torn(body, sizeof body, &told);
    return audit_put(audit, "recovered", STR(""), (struct str){body, len}, mark, err);
}

static int damaged(const struct audit *audit, struct capful_error *err)
{
    return say(audit,
               "is damaged, or no log: its last line is no record. Look at it with capful audit "
               "verify, and let another file begin",
               err);
}

static int read_ends(struct audit *audit, struct buf *window, struct tail *tail,
                     struct capful_error *err)
{
    int failed = tail_read(audit->at.fd, audit->at.end, window, tail);
    if (!failed && tail->has_record && audit->at.number == 0) {
        struct chain_log log = {.file = 0};
        failed = tail_read_first(audit->at.fd, &log);
        audit->at.number = log.file;
        memcpy(audit->id, log.id, sizeof audit->id);
    }
    if (failed == -EILSEQ)
        return damaged(audit, err);
    return failed ? audit_fail(audit, failed, "cannot be read", err) : 0;
}

/* Somebody else has written, or it was not we who wrote last. What we knew must still be true. */
static int look_at_end(struct audit *audit, struct buf *window, struct capful_error *err)
{
    struct tail tail;
    struct audit_file *at = &audit->at;
    int failed = read_ends(audit, window, &tail, err);
    if (failed)
        return failed;
    const struct chain_record *last = &tail.record;
    uint64_t seq = tail.has_record ? last->seq : 0;
    bool same = seq == at->seq && (seq == 0 || memcmp(last->hash, at->hash, SHA256_SIZE) == 0);
    if (seq < at->seq || (seq == at->seq && !same))
        return say(audit, "was rewritten: a record of this process is gone", err);
    struct str torn = {window->data + window->len - tail.torn, tail.torn};
    if (seq == 0 && memcmp(torn.ptr, FIRST_BYTES,
                           torn.len < sizeof FIRST_BYTES ? torn.len : sizeof FIRST_BYTES - 1) != 0)
        return damaged(audit, err);
    if (seq > 0) {
        at->seq = seq;
        memcpy(at->hash, last->hash, SHA256_SIZE);
        at->rotated = chain_is(last, "rotate");
    }
    at->size = at->end - tail.torn;
    return tail.torn > 0 || seq == 0 ? recover(audit, torn, tail.open, err) : 0;
}

/* ------------------------------------------------------------------ the file and its lock */

/* From now on that file; what was known of the chain stays, so that it cannot go back. */
static int attach(struct audit *audit, int fd, struct capful_error *err)
{
    struct disk_stat st;
    int failed = disk_stat(fd, &st);
    if (failed || !st.regular) {
        disk_close(fd);
        return failed ? audit_fail(audit, failed, "cannot be looked at", err)
                      : say(audit, "is no regular file", err);
    }
    if (audit->at.fd >= 0)
        disk_close(audit->at.fd);
    if (!disk_same(audit->at.device, audit->at.inode, &st)) {
        audit->at.size = 0;
        audit->at.number = 0;
        audit->at.rotated = false;
    }
    audit->at.fd = fd;
    audit->at.device = st.device;
    audit->at.inode = st.inode;
    audit->at.mode = st.mode;
    audit->pid = getpid();
    if (audit->ours)
        *audit->ours = 1;
    audit->locked = false;
    return 0;
}

static int open_file(struct audit *audit, struct capful_error *err)
{
    int fd = disk_open(audit->dir, audit->name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
    if (fd == -ELOOP)
        return say(audit, "is a symbolic link: name the file itself", err);
    if (fd < 0)
        return audit_fail(audit, fd, "cannot be opened", err);
    return attach(audit, fd, err);
}

static int look_at_file(struct audit *audit, struct buf *window, struct capful_error *err)
{
    struct disk_stat st;
    int failed = disk_stat(audit->at.fd, &st);
    if (failed)
        return audit_fail(audit, failed, "cannot be looked at", err);
    if (st.links == 0)
        return say(audit, "was removed while it was in use", err);
    if (st.size < audit->at.size)
        return say(audit, "was cut off while it was in use", err);
    audit->at.end = st.size;
    return st.size == audit->at.size && st.size > 0 ? 0 : look_at_end(audit, window, err);
}

/* The last record says that the log goes on: elsewhere, or nowhere yet since whoever wrote it was
 * ended. *ret_here: in a new file that we made and hold. */
static int follow(struct audit *audit, bool *ret_here, struct capful_error *err)
{
    struct disk_stat now;
    int failed = disk_stat_at(audit->dir, audit->name, &now);
    if (failed)
        return audit_fail(audit, failed, "cannot be found", err);
    *ret_here = disk_same(audit->at.device, audit->at.inode, &now);
    if (*ret_here)
        return audit_go_on(audit, err);
    disk_unlock(audit->at.fd);
    return open_file(audit, err);
}

static int lock(struct audit *audit, struct capful_error *err)
{
    int failed = tail_lock(audit->at.fd, false, LOCK_WAIT);
    if (failed == -ETIMEDOUT)
        return say(audit, "is locked by another process for 10 s", err);
    return failed ? audit_fail(audit, failed, "cannot be locked", err) : 0;
}

/* Locks the file that the log ends in, and knows its end. */
static int take(struct audit *audit, struct capful_error *err)
{
    struct buf window = BUF_INIT((size_t)32 << 20);
    bool here = false;
    int failed = 0;
    if (audit->locked)
        return 0;
    for (int hops = 0; !failed && !here; hops++) {
        failed = lock(audit, err);
        if (!failed)
            failed = look_at_file(audit, &window, err);
        if (failed || !audit->at.rotated)
            break;
        failed = hops < HOPS_MAX ? follow(audit, &here, err)
                                 : say(audit, "goes on in other files without end", err);
    }
    buf_release(&window);
    audit->locked = audit->exclusive && !failed;
    if (failed)
        disk_unlock(audit->at.fd);
    return failed;
}

/* After an error the next record looks anew at what is in the file. */
static void let_go(struct audit *audit, bool failed)
{
    if (audit->exclusive && !failed)
        return;
    audit->locked = false;
    disk_unlock(audit->at.fd);
}

/* ------------------------------------------------------------------ appending */

static int check_name(struct audit *audit, struct capful_error *err)
{
    struct disk_stat now;
    int failed = disk_stat_at(audit->dir, audit->name, &now);
    if (!failed && disk_same(audit->at.device, audit->at.inode, &now))
        return 0;
    return say(audit, "was moved or replaced while it was in use", err);
}

static bool must_sign(const struct audit *audit, unsigned flags)
{
    if (!audit->is_signed)
        return false;
    return (flags & APPEND_END) ||
           (audit->sign_every > 0 && audit->not_signed >= audit->sign_every);
}

static int put_all(struct audit *audit, const char *type, struct str run, struct str body,
                   unsigned flags, struct capful_error *err)
{
    int failed = flags ? check_name(audit, err) : 0;
    if (!failed && audit->rotate_bytes > 0 && audit->at.size >= audit->rotate_bytes)
        failed = audit_rotate(audit, err);
    if (!failed)
        failed = audit_put(audit, type, run, body, STR(""), err);
    if (!failed && must_sign(audit, flags))
        failed = put_head(audit, err);
    return failed;
}

static bool is_child(const struct audit *audit)
{
    return audit->ours ? !*audit->ours : audit->pid != getpid();
}

static int append_locked(struct audit *audit, const char *type, struct str run, struct str body,
                         unsigned flags, struct capful_error *err)
{
    int failed = audit->broken;
    if (failed)
        return audit_fail(audit, failed, "an earlier record may not be on the disk", err);
    if (is_child(audit))
        failed = open_file(audit, err);
    if (!failed)
        failed = take(audit, err);
    if (failed)
        return failed;
    if (type)
        failed = put_all(audit, type, run, body, flags, err);
    let_go(audit, failed != 0);
    if (failed || audit->sync == AUDIT_SYNC_NEVER || (audit->sync == AUDIT_SYNC_RUN && !flags))
        return failed;
    audit->broken = disk_sync(audit->at.fd);
    return audit->broken ? audit_fail(audit, audit->broken, "is not on the disk", err) : 0;
}

int audit_append(struct audit *audit, const char *type, struct str run, struct str body,
                 unsigned flags, struct capful_error *err)
{
    pthread_mutex_lock(&audit->lock);
    int failed = append_locked(audit, type, run, body, flags, err);
    pthread_mutex_unlock(&audit->lock);
    return failed;
}

/* ------------------------------------------------------------------ life */

void audit_config_init(struct audit_config *config)
{
    *config = (struct audit_config){.path = NULL};
}

static int check_config(const struct audit_config *config, struct capful_error *err)
{
    size_t len = config->path ? strlen(config->path) : 0;
    if (len == 0 || config->path[len - 1] == '/')
        return err_set(err, CAPFUL_EINVAL, "audit: the path names no file");
    if (config->rotate_bytes > 0 && config->rotate_bytes < AUDIT_ROTATE_MIN)
        return err_set(err, CAPFUL_EINVAL, "audit: a file takes %d bytes at least",
                       AUDIT_ROTATE_MIN);
    return 0;
}

static int take_config(struct audit *audit, const struct audit_config *config,
                       struct capful_error *err)
{
    audit->exclusive = config->exclusive;
    audit->sync = config->sync;
    audit->rotate_bytes = config->rotate_bytes;
    audit->rotate_keep = config->rotate_keep;
    audit->sign_every = config->sign_every;
    audit->has_key = config->redact_key != NULL;
    if (audit->has_key)
        memcpy(audit->redact_key, config->redact_key, REDACT_KEY);
    audit->is_signed = config->sign_seed != NULL;
    if (audit->is_signed) {
        memcpy(audit->seed, config->sign_seed, AUDIT_KEY);
        if (sign_public(audit->seed, audit->public_key) != 0)
            return err_set(err, CAPFUL_EINVAL, "audit: the key cannot be used");
    }
    audit->path = mem_strdup(config->path);
    if (!audit->path)
        return err_nomem(err);
    return redact_new(config, &audit->redact, err);
}

/* By its directory, so that the log stays where it is when the process goes elsewhere. */
static int open_directory(struct audit *audit, struct capful_error *err)
{
    char *slash = strrchr(audit->path, '/');
    audit->name = slash ? slash + 1 : audit->path;
    char first = *audit->name;
    if (slash)
        *audit->name = 0;
    audit->dir = disk_open(AT_FDCWD, slash ? audit->path : ".", O_RDONLY | O_DIRECTORY, 0);
    *audit->name = first;
    return audit->dir < 0 ? audit_fail(audit, audit->dir, "its directory cannot be opened", err)
                          : 0;
}

/* So that a new file's name outlives a power cut, too. */
static int sync_directory(struct audit *audit, struct capful_error *err)
{
    int failed = audit->sync == AUDIT_SYNC_NEVER ? 0 : disk_sync(audit->dir);
    return failed ? audit_fail(audit, failed, "its directory is not on the disk", err) : 0;
}

int audit_open(const struct audit_config *config, struct audit **ret, struct capful_error *err)
{
    int failed = check_config(config, err);
    if (failed)
        return failed;
    struct audit *audit = mem_zalloc(sizeof *audit);
    if (!audit)
        return err_nomem(err);
    atomic_init(&audit->refs, 1);
    pthread_mutex_init(&audit->lock, NULL);
    audit->dir = audit->at.fd = -1;
    audit->ours = disk_fork_page();
    failed = take_config(audit, config, err);
    if (!failed)
        failed = open_directory(audit, err);
    if (!failed)
        failed = open_file(audit, err);
    if (!failed)
        failed = audit_append(audit, NULL, STR(""), STR(""), APPEND_BEGIN, err);
    if (!failed)
        failed = sync_directory(audit, err);
    if (failed)
        audit_unref(audit);
    else
        *ret = audit;
    return failed;
}

struct audit *audit_ref(struct audit *audit)
{
    atomic_fetch_add_explicit(&audit->refs, 1, memory_order_relaxed);
    return audit;
}

void audit_unref(struct audit *audit)
{
    if (!audit || atomic_fetch_sub_explicit(&audit->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (audit->at.fd >= 0)
        disk_close(audit->at.fd);
    if (audit->dir >= 0)
        disk_close(audit->dir);
    if (audit->ours)
        disk_free_page(audit->ours);
    pthread_mutex_destroy(&audit->lock);
    redact_free(audit->redact);
    explicit_bzero(audit->seed, sizeof audit->seed);
    explicit_bzero(audit->redact_key, sizeof audit->redact_key);
    mem_free(audit->path);
    mem_free(audit);
}
