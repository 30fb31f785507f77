/* A host that gives no random bytes, or whose keys do not work, and its real files: what src/audit
 * does then. rand_bytes and the functions of src/audit/sign.c are those of this file. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "audit/disk.h"
#include "audit/writer.h"
#include "audit_rig.h"
#include "base/rand.h"

static int random_left = 1000, signs_left = 1000;

bool rand_bytes(void *buffer, size_t len)
{
    memset(buffer, random_left, len);
    return random_left-- > 0;
}

int sign_public(const uint8_t seed[AUDIT_KEY], uint8_t ret_public[AUDIT_KEY])
{
    memcpy(ret_public, seed, AUDIT_KEY);
    return signs_left-- > 0 ? 0 : -1;
}

int sign_hash(const uint8_t seed[AUDIT_KEY], const uint8_t hash[SHA256_SIZE],
              uint8_t ret_signature[64])
{
    memcpy(ret_signature, seed, AUDIT_KEY);
    memcpy(ret_signature + 32, hash, SHA256_SIZE);
    return signs_left-- > 0 ? 0 : -1;
}

bool sign_is_valid(const uint8_t public_key[AUDIT_KEY], const uint8_t hash[SHA256_SIZE],
                   const uint8_t signature[64])
{
    return memcmp(signature, public_key, 32) == 0 && memcmp(signature + 32, hash, 32) == 0;
}

TEST(no_random_bytes)
{
    struct audit *audit;
    struct audit_run_info info = {.program = STR("x")};
    struct audit_run *run;
    struct capful_error err;
    uint8_t key[32];
    char path[300];
    rig_init();
    struct audit_config config = rig_config();
    random_left = 0;
    EQ(audit_open(&config, &audit, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "cannot begin: the host gives no random bytes"));
    random_left = 1;
    audit = rig_open(&config);
    for (random_left = 0; random_left < 2; random_left++) {
        int left = random_left;
        EQ(audit_run_begin(audit, &info, &run, &err), CAPFUL_EFILE);
        STR_EQ(err.text, "audit: the host gives no random bytes");
        random_left = left;
    }
    audit_unref(audit);
    RIG_SOUND(rig_log, 1);
    config.redact_key = key;
    audit = rig_open(&config);
    random_left = 1;
    EQ(audit_run_begin(audit, &info, &run, &err), 0);
    audit_run_free(run);
    audit_unref(audit);
    random_left = 0;
    snprintf(path, sizeof path, "%s/key", rig_dir);
    EQ(audit_make_key(path, key, &err), CAPFUL_EFILE);
    STR_EQ(err.text, "key: the host gives no random bytes");
    random_left = 1;
    signs_left = 0;
    EQ(audit_make_key(path, key, &err), CAPFUL_EFILE);
    STR_EQ(err.text, "key: it cannot be made");
    OK(access(path, F_OK) != 0);
}

TEST(keys_that_do_not_work)
{
    static const uint8_t seed[32] = {1};
    struct audit *audit;
    struct capful_error err;
    struct audit_run_end end = {.status = CAPFUL_OK};
    rig_init();
    struct audit_config config = rig_config();
    config.sign_seed = seed;
    config.rotate_bytes = AUDIT_ROTATE_MIN;
    signs_left = 0;
    EQ(audit_open(&config, &audit, &err), CAPFUL_EINVAL);
    STR_EQ(err.text, "audit: the key cannot be used");
    signs_left = 1;
    audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    EQ(audit_run_end(run, &end, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "cannot be signed"));
    static char text[70000];
    memset(text, '1', sizeof text);
    EQ(rig_call(run, "1", (struct str){text, sizeof text}), 0);
    signs_left = 0;
    EQ(audit_run_end(run, &end, &err), CAPFUL_EFILE); /* it is time for another file */
    OK(strstr(err.text, "cannot be signed"));
    signs_left = 9;
    EQ(audit_run_end(run, &end, &err), 0);
    audit_run_free(run);
    audit_unref(audit);
    struct audit_summary sum = rig_verify_with(rig_log, &(struct audit_check){.key = seed});
    STR_EQ(rig_problems, "");
    EQ(sum.signatures, 2);
    EQ(sum.not_signed, 0);
    EQ(sum.files, 2);
}

TEST(files_that_are_not_open)
{
    struct disk_stat st;
    struct iovec piece = {&st, 1};
    EQ(disk_open(AT_FDCWD, "/nowhere", O_RDONLY, 0), -ENOENT);
    EQ(disk_stat(-1, &st), -EBADF);
    EQ(disk_stat_at(AT_FDCWD, "/nowhere", &st), -ENOENT);
    EQ(disk_lock(-1, true), -EBADF);
    EQ(disk_read(-1, &st, 1, 0), -EBADF);
    EQ(disk_write(-1, &piece, 1), -EBADF);
    EQ(disk_sync(-1), -EBADF);
    EQ(disk_mode(-1, 0), -EBADF);
    EQ(disk_link(AT_FDCWD, "/nowhere", "/nowhere2"), -ENOENT);
    EQ(disk_rename(AT_FDCWD, "/nowhere", "/nowhere2"), -ENOENT);
    EQ(disk_unlink(AT_FDCWD, "/nowhere"), -ENOENT);
    disk_pause(1);
}

TEST(a_page_that_cannot_be_had)
{
    struct rlimit old, none;
    ASSERT_EQ_INT(getrlimit(RLIMIT_AS, &old), 0);
    none = old;
    none.rlim_cur = 0;
    ASSERT_EQ_INT(setrlimit(RLIMIT_AS, &none), 0);
    void *page = disk_fork_page();
    ASSERT_EQ_INT(setrlimit(RLIMIT_AS, &old), 0);
    OK(page == NULL);
}

/* A kernel before 4.14 does not know what is asked of it. */
TEST(a_page_that_cannot_be_marked)
{
    struct sock_filter refuse[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof refuse / sizeof *refuse, refuse};
    void *page = disk_fork_page();
    ASSERT(page != NULL);
    disk_free_page(page);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        puts("# skipped: no system call can be refused here");
        return;
    }
    OK(disk_fork_page() == NULL);
}
