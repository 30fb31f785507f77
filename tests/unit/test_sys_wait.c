/* Files that make their reader wait by themselves (FILE_PARKED, as served mounts do), and calls
 * that wait in general: what was done before the wait is not done again, and what is kept meanwhile
 * is given back. */
#include <string.h>

#include "base/mem.h"
#include "fake_engine.h"
#include "syscall/calls.h"
#include "tap.h"

/* Answers every second try; the first registers the process and parks it. */
struct slow {
    struct file file;
    struct wait_queue queue;
    struct kernel *kernel;
    bool answered;
    int asked;
    char written[64];
    size_t written_len;
    int fail_with; /* instead of an answer */
};
static struct slow slow;

static int ask(void)
{
    if (slow.answered) {
        slow.answered = false;
        return slow.fail_with;
    }
    slow.asked++;
    EQ(wait_add(slow.kernel->current, &slow.queue), 0);
    return FILE_PARKED;
}

static int slow_read(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    (void)file;
    int result = ask();
    if (result != 0)
        return result;
    *ret_len = size < 4 ? size : 4;
    memcpy(buffer, "data", *ret_len);
    return 0;
}

static int slow_write(struct file *file, const void *data, size_t len, size_t *ret_len)
{
    (void)file;
    int result = ask();
    if (result != 0)
        return result;
    *ret_len = len < 3 ? len : 3;
    memcpy(slow.written + slow.written_len, data, *ret_len);
    slow.written_len += *ret_len;
    return 0;
}

static int slow_stat(struct file *file, struct file_stat *ret)
{
    (void)file;
    memset(ret, 0, sizeof *ret);
    ret->size = 77;
    return ask();
}

static int slow_readdir(struct file *file, uint64_t cookie, struct file_dirent *ret)
{
    (void)file;
    int result = cookie == 2 ? ask() : 0; /* the third entry has to be asked for */
    if (result != 0)
        return result;
    *ret =
        (struct file_dirent){cookie + 1, cookie, FILE_REGULAR, cookie < 4 ? STR("name") : STR("")};
    return 0;
}

static void slow_release(struct file *file)
{
    (void)file;
}

static const struct file_ops slow_ops = {.name = "slow",
                                         .type = FILE_REGULAR,
                                         .seekable = true,
                                         .read = slow_read,
                                         .write = slow_write,
                                         .stat = slow_stat,
                                         .readdir = slow_readdir,
                                         .release = slow_release};

/* Runs `entry` with the slow file as descriptor 5; each time all sleep, the host answers. */
static void run(fake_fn entry, int fail_with)
{
    static struct image image;
    struct fake_box box;
    image = (struct image){.name = "w", .own = true, .functions = {entry}};
    memset(&slow, 0, sizeof slow);
    file_init(&slow.file, &slow_ops, 0, true, true);
    fake_box_init(&box);
    slow.kernel = &box.kernel;
    slow.fail_with = fail_with;
    struct process *process = fake_box_start(&box, &image);
    ASSERT(process);
    EQ(fdtab_place(&process->fds, 5, &slow.file, CAPFUL_RIGHTS_ALL, 0), 0);
    for (int i = 0; i < 100 && fake_box_run(&box) == KERNEL_IDLE; i++) {
        slow.answered = true;
        wait_wake(&slow.queue);
    }
    EQ(fake_box_exit_code(&box), 0);
    OK(!slow.queue.first);
    fake_box_release(&box);
}

static void reads(struct fake *g, uint32_t arg)
{
    char text[8] = "";
    (void)arg;
    EQ(fake_read(g, 5, text, 4), 4);
    STR_EQ(text, "data");
    EQ(slow.asked, 1);
}

TEST(sys_wait_read_is_made_again)
{
    run(reads, 0);
}

/* The second buffer would have to wait: what the first got is answered, and nothing is waited for
 * any more. */
static void reads_two(struct fake *g, uint32_t arg)
{
    uint32_t out = fake_alloc(g, 16), n = fake_alloc(g, 4), pairs[4] = {out, 4, out + 4, 4};
    (void)arg;
    EQ(fake_call(g, SYS_fd_read, 5, fake_data(g, pairs, sizeof pairs), 2, n), 0);
    EQ(fake_u32(g, n), 4);
    OK(!g->process->waiting);
    OK(!slow.queue.first);
}

TEST(sys_wait_partial_read_leaves_the_queue)
{
    run(reads_two, 0);
}

static void writes(struct fake *g, uint32_t arg)
{
    (void)arg;
    EQ(fake_write(g, 5, "0123456789", 10), 10);
    EQ(slow.asked, 4);
    EQ(g->process->request.progress, 0);
}

TEST(sys_wait_write_goes_on_where_it_was)
{
    run(writes, 0);
    EQ(slow.written_len, 10);
    MEM_EQ(slow.written, "0123456789", 10);
}

static void stats(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 64);
    (void)arg;
    EQ(fake_call(g, SYS_fd_filestat_get, 5, at), 0);
    EQ(fake_u64(g, at + 32), 77);
}

TEST(sys_wait_stat)
{
    run(stats, 0);
}

/* A directory that waits in the middle must not look as if it ended there. */
static void lists(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 256), n = fake_alloc(g, 4);
    (void)arg;
    EQ(fake_call(g, SYS_fd_readdir, 5, at, 256, 0, n), 0);
    EQ(fake_u32(g, n), 4 * 28);
}

TEST(sys_wait_readdir_starts_over)
{
    run(lists, 0);
    EQ(slow.asked, 1);
}

static void fails(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 64);
    (void)arg;
    EQ(fake_read(g, 5, NULL, 4), -ERRNO_IO);
    EQ(fake_write(g, 5, "x", 1), -ERRNO_IO);
    EQ(fake_call(g, SYS_fd_filestat_get, 5, at), ERRNO_IO);
}

TEST(sys_wait_error_of_the_host)
{
    run(fails, ERRNO_IO);
}

/* What a call keeps between its tries is freed, however it ends. */
static int freed;
static void free_scratch(void *scratch)
{
    freed++;
    mem_free(scratch);
}

static void killed_with_scratch(struct fake *g, uint32_t arg)
{
    (void)arg;
    g->process->request.scratch = mem_alloc(8);
    g->process->request.scratch_free = free_scratch;
    fake_read(g, 5, NULL, 4);
    OK(!"reached");
}

TEST(sys_wait_scratch_is_freed_with_the_process)
{
    static struct image image = {.name = "w", .own = true, .functions = {killed_with_scratch}};
    struct fake_box box;
    memset(&slow, 0, sizeof slow);
    file_init(&slow.file, &slow_ops, 0, true, true);
    fake_box_init(&box);
    slow.kernel = &box.kernel;
    struct process *process = fake_box_start(&box, &image);
    ASSERT(process);
    EQ(fdtab_place(&process->fds, 5, &slow.file, CAPFUL_RIGHTS_ALL, 0), 0);
    EQ(fake_box_run(&box), KERNEL_IDLE);
    OK(slow.queue.first != NULL);
    process_kill(process, 137);
    EQ(freed, 1);
    OK(!slow.queue.first);
    OK(!kernel_check(&box.kernel));
    EQ(fake_box_run(&box), KERNEL_DONE);
    EQ(fake_box_exit_code(&box), 137);
    fake_box_release(&box);
}

/* A call that may not wait but wants to is a fault of ours, never a hang. */
static int parks(struct process *process, const uint64_t *args)
{
    (void)args;
    return process_yield(process);
}

static void parks_wrongly(struct fake *g, uint32_t arg)
{
    static const struct syscall wrong = {"wrong", "", SYSCALL_NOW, false, 0, 0, parks};
    const uint64_t none[SYS_MAX_ARGS] = {0};
    (void)arg;
    EQ(syscall_invoke(&wrong, g->process, none), SYS_EXIT);
    fake_preempt(g);
}

TEST(sys_wait_call_that_may_not_wait)
{
    static struct image image = {.name = "w", .own = true, .functions = {parks_wrongly}};
    struct fake_box box;
    fake_box_init(&box);
    ASSERT(fake_box_start(&box, &image));
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    EQ(box.kernel.stop, STOP_FAULT);
    STR_EQ(box.kernel.stop_text, "system call wrong has to wait but may not");
    fake_box_release(&box);
}
