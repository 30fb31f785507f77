/* Processes: birth, death, families, groups, signals. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fake_engine.h"
#include "tap.h"

static int32_t seen[16]; /* what guests report */

static void reset(void)
{
    memset(seen, 0, sizeof seen);
}

/* Runs `image` as the first process; its exit code, or UINT32_MAX when the run ended otherwise. */
static uint32_t run(struct image *image, struct fake_box *box)
{
    reset();
    fake_box_init(box);
    OK(fake_box_start(box, image) != NULL);
    fake_box_run(box);
    return fake_box_exit_code(box);
}

static void finish(struct fake_box *box)
{
    fake_box_release(box);
    EQ(box->kernel.memory_used, 0);
    EQ(fake_engine_state.alive, 0);
}

static void exits(struct fake *g, uint32_t arg)
{
    fake_exit(g, arg);
}

static void sleeps(struct fake *g, uint32_t arg)
{
    uint32_t ends[2];
    (void)arg;
    EQ(fake_pipe(g, ends), 0);
    fake_read(g, ends[0], NULL, 1); /* for ever: it holds both ends */
}

/* ---- clone and wait */

static void wait_one(struct fake *g, uint32_t arg)
{
    uint32_t status = 99;
    (void)arg;
    seen[0] = fake_clone(g, 1, 42);
    seen[1] = fake_wait(g, seen[0], 0, &status);
    seen[2] = (int32_t)status;
    seen[3] = fake_wait(g, -1, 0, &status);
    fake_exit(g, 5);
}

TEST(proc_clone_and_wait)
{
    static struct image image = {.name = "a", .own = true, .functions = {wait_one, exits}};
    struct fake_box box;
    EQ(run(&image, &box), 5);
    EQ(seen[0], 2);
    EQ(seen[1], 2);
    EQ(seen[2], 42);
    EQ(seen[3], -ERRNO_CHILD);
    EQ(box.kernel.processes_started, 2);
    finish(&box);
}

static void increments(struct fake *g, uint32_t arg)
{
    uint8_t *byte = fake_at(g, arg);
    byte[0]++;
    fake_exit(g, byte[0]);
}

static void clone_copies(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_data(g, "\x07", 1), status;
    (void)arg;
    fake_clone(g, 1, at);
    fake_wait(g, -1, 0, &status);
    seen[0] = (int32_t)status;
    seen[1] = *(uint8_t *)fake_at(g, at);
}

TEST(proc_clone_copies_memory)
{
    static struct image image = {.name = "a", .own = true, .functions = {clone_copies, increments}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], 8);
    EQ(seen[1], 7);
    finish(&box);
}

static void order_of_zombies(struct fake *g, uint32_t arg)
{
    uint32_t status;
    (void)arg;
    for (uint32_t i = 0; i < 3; i++)
        fake_clone(g, 1, 10 + i);
    for (int i = 0; i < 3; i++)
        fake_call(g, SYS_sched_yield);
    for (int i = 0; i < 3; i++) {
        seen[i] = fake_wait(g, -1, 0, &status);
        seen[4 + i] = (int32_t)status;
    }
}

TEST(proc_wait_any_in_order_of_death)
{
    static struct image image = {.name = "a", .own = true, .functions = {order_of_zombies, exits}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    for (int i = 0; i < 3; i++) {
        EQ(seen[i], 2 + i);
        EQ(seen[4 + i], 10 + i);
    }
    finish(&box);
}

static void wait_nohang(struct fake *g, uint32_t arg)
{
    uint32_t status = 77;
    (void)arg;
    seen[0] = fake_wait(g, -1, 1, &status);
    fake_clone(g, 1, 3);
    seen[1] = fake_wait(g, -1, 1, &status);
    seen[2] = (int32_t)status;
    fake_call(g, SYS_sched_yield);
    seen[3] = fake_wait(g, -1, 1, &status);
    seen[4] = (int32_t)status;
    seen[5] = fake_wait(g, -1, 2, &status);
}

TEST(proc_wait_without_hanging)
{
    static struct image image = {.name = "a", .own = true, .functions = {wait_nohang, exits}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], -ERRNO_CHILD);
    EQ(seen[1], 0);
    EQ(seen[2], 0);
    EQ(seen[3], 2);
    EQ(seen[4], 3);
    EQ(seen[5], -ERRNO_INVAL);
    finish(&box);
}

static void wait_others(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 1, 0);
    seen[0] = fake_wait(g, 1, 0, NULL);   /* itself */
    seen[1] = fake_wait(g, 99, 0, NULL);  /* nobody */
    seen[2] = fake_wait(g, -99, 0, NULL); /* no such group */
    seen[3] = fake_wait(g, INT32_MIN, 0, NULL);
    seen[4] = fake_wait(g, 0, 0, NULL); /* own group */
}

TEST(proc_wait_for_what_is_no_child)
{
    static struct image image = {.name = "a", .own = true, .functions = {wait_others, exits}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    for (int i = 0; i < 4; i++)
        EQ(seen[i], -ERRNO_CHILD);
    EQ(seen[4], 2);
    finish(&box);
}

static void wait_bad_pointer(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 1, 9);
    seen[0] = fake_call(g, SYS_proc_wait, (uint32_t)-1, 0, g->size - 4);
    fake_call(g, SYS_sched_yield);
    seen[1] = fake_call(g, SYS_proc_wait, (uint32_t)-1, 0, g->size - 4);
    seen[2] = fake_wait(g, -1, 0, NULL); /* still there to be waited for */
}

TEST(proc_wait_with_a_bad_pointer_reaps_nothing)
{
    static struct image image = {.name = "a", .own = true, .functions = {wait_bad_pointer, exits}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], ERRNO_FAULT);
    EQ(seen[1], ERRNO_FAULT);
    EQ(seen[2], 2);
    finish(&box);
}

/* ---- orphans */

static void leaves_a_child(struct fake *g, uint32_t arg)
{
    seen[8] = fake_clone(g, 3, arg);
    fake_exit(g, 1);
}

static void reports_parent(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, sizeof(struct capful_ids));
    (void)arg;
    fake_call(g, SYS_sched_yield);
    fake_call(g, SYS_sched_yield);
    EQ(fake_call(g, SYS_proc_ids, at), 0);
    seen[9] = (int32_t)fake_u32(g, at + 4);
    fake_exit(g, 33);
}

static void has_orphans(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 2, 0);
    seen[0] = fake_wait(g, -1, 0, NULL);
    for (int i = 0; i < 6; i++)
        fake_call(g, SYS_sched_yield);
    seen[1] = fake_wait(g, -1, 1, NULL); /* the orphan is not ours to wait for */
    seen[2] = (int32_t)(g->process->kernel->live + g->process->kernel->zombies);
}

TEST(proc_orphans_belong_to_the_first_and_vanish)
{
    static struct image image = {.name = "a",
                                 .own = true,
                                 .functions = {has_orphans, exits, leaves_a_child, reports_parent}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], 2);
    EQ(seen[8], 3);
    EQ(seen[9], 1);
    EQ(seen[1], -ERRNO_CHILD);
    EQ(seen[2], 1);
    finish(&box);
}

static void makes_zombies(struct fake *g, uint32_t arg)
{
    for (uint32_t i = 0; i < arg; i++)
        fake_clone(g, 1, i);
    for (int i = 0; i < 3; i++)
        fake_call(g, SYS_sched_yield);
    fake_exit(g, 0);
}

static void parent_of_zombie_maker(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 2, 5);
    seen[0] = fake_wait(g, -1, 0, NULL);
    seen[1] = (int32_t)g->process->kernel->zombies;
    seen[2] = (int32_t)g->process->kernel->live;
}

TEST(proc_zombies_go_with_their_parent)
{
    static struct image image = {
        .name = "a", .own = true, .functions = {parent_of_zombie_maker, exits, makes_zombies}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], 2);
    EQ(seen[1], 0);
    EQ(seen[2], 1);
    finish(&box);
}

static void ends_early(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 1, 0);
    fake_clone(g, 1, 0);
    fake_call(g, SYS_sched_yield);
    fake_exit(g, 17);
}

TEST(proc_first_ends_everything)
{
    static struct image image = {.name = "a", .own = true, .functions = {ends_early, sleeps}};
    struct fake_box box;
    EQ(run(&image, &box), 17);
    EQ(fake_engine_state.alive, 0);
    EQ(box.kernel.live, 0);
    OK(!kernel_check(&box.kernel));
    finish(&box);
}

/* ---- signals */

static void kills_child(struct fake *g, uint32_t arg)
{
    uint32_t status = 0;
    (void)arg;
    int32_t pid = fake_clone(g, 1, 0);
    fake_call(g, SYS_sched_yield);
    seen[0] = fake_call(g, SYS_proc_kill, (uint32_t)pid, 0);
    seen[1] = fake_call(g, SYS_proc_kill, (uint32_t)pid, CAPFUL_SIGTERM);
    seen[2] = fake_call(g, SYS_proc_kill, (uint32_t)pid, 0); /* a zombie still exists */
    seen[3] = fake_wait(g, pid, 0, &status);
    seen[4] = (int32_t)status;
    seen[5] = fake_call(g, SYS_proc_kill, (uint32_t)pid, 0);
    seen[6] = fake_call(g, SYS_proc_kill, (uint32_t)pid, 64);
    seen[7] = fake_call(g, SYS_proc_kill, 1, 17);
}

TEST(proc_kill_a_child)
{
    static struct image image = {.name = "a", .own = true, .functions = {kills_child, sleeps}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], 0);
    EQ(seen[1], 0);
    EQ(seen[2], 0);
    EQ(seen[3], 2);
    EQ(seen[4], 128 + CAPFUL_SIGTERM);
    EQ(seen[5], ERRNO_SRCH);
    EQ(seen[6], ERRNO_INVAL);
    EQ(seen[7], 0);
    finish(&box);
}

static void kills_itself(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_call(g, SYS_proc_kill, (uint32_t)g->process->pid, CAPFUL_SIGKILL);
    seen[0] = 1; /* never reached */
}

TEST(proc_kill_oneself)
{
    static struct image image = {.name = "a", .own = true, .functions = {kills_itself}};
    struct fake_box box;
    EQ(run(&image, &box), 128 + CAPFUL_SIGKILL);
    EQ(seen[0], 0);
    STR_EQ(box.kernel.init->trap, "");
    finish(&box);
}

static void kills_first(struct fake *g, uint32_t arg)
{
    (void)arg;
    seen[0] = fake_call(g, SYS_proc_kill, 1, CAPFUL_SIGINT);
    seen[1] = 1;
}

static void parent_of_killer(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 1, 0);
    fake_wait(g, -1, 0, NULL);
    seen[2] = 1;
}

TEST(proc_child_kills_the_first)
{
    static struct image image = {
        .name = "a", .own = true, .functions = {parent_of_killer, kills_first}};
    struct fake_box box;
    EQ(run(&image, &box), 128 + CAPFUL_SIGINT);
    EQ(seen[2], 0);
    finish(&box);
}

static void raises(struct fake *g, uint32_t arg)
{
    (void)arg;
    seen[0] = fake_call(g, SYS_proc_raise, 0);
    seen[1] = fake_call(g, SYS_proc_raise, 17);
    seen[2] = fake_call(g, SYS_proc_raise, 99);
    fake_call(g, SYS_proc_raise, CAPFUL_SIGABRT);
    seen[3] = 1;
}

TEST(proc_raise)
{
    static struct image image = {.name = "a", .functions = {raises}};
    struct fake_box box;
    EQ(run(&image, &box), 128 + CAPFUL_SIGABRT);
    EQ(seen[0], 0);
    EQ(seen[1], 0);
    EQ(seen[2], ERRNO_INVAL);
    EQ(seen[3], 0);
    STR_EQ(box.kernel.init->trap, "");
    finish(&box);
}

/* ---- groups */

static void groups(struct fake *g, uint32_t arg)
{
    uint32_t status;
    (void)arg;
    int32_t a = fake_clone(g, 1, 0), b = fake_clone(g, 1, 0), c = fake_clone(g, 1, 0);
    seen[0] = fake_call(g, SYS_proc_setpgid, (uint32_t)a, 0);
    seen[1] = fake_call(g, SYS_proc_setpgid, (uint32_t)b, (uint32_t)a);
    seen[2] = fake_call(g, SYS_proc_setpgid, (uint32_t)c, 77);
    seen[3] = fake_call(g, SYS_proc_kill, (uint32_t)-a, CAPFUL_SIGHUP);
    seen[4] = fake_wait(g, -a, 0, &status);
    seen[5] = (int32_t)status;
    seen[6] = fake_wait(g, -a, 0, &status);
    seen[7] = fake_wait(g, -a, 0, &status);
    seen[8] = fake_call(g, SYS_proc_kill, (uint32_t)-a, CAPFUL_SIGHUP);
    seen[9] = fake_wait(g, -1, 1, &status); /* c lives */
    seen[10] = fake_call(g, SYS_proc_setpgid, 0, 0);
    seen[11] = g->process->group;
}

TEST(proc_groups)
{
    static struct image image = {.name = "a", .own = true, .functions = {groups, sleeps}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], 0);
    EQ(seen[1], 0);
    EQ(seen[2], ERRNO_PERM);
    EQ(seen[3], 0);
    EQ(seen[4], 2);
    EQ(seen[5], 128 + CAPFUL_SIGHUP);
    EQ(seen[6], 3);
    EQ(seen[7], -ERRNO_CHILD);
    EQ(seen[8], ERRNO_SRCH);
    EQ(seen[9], 0);
    EQ(seen[10], 0);
    EQ(seen[11], 1);
    finish(&box);
}

static void setpgid_of_others(struct fake *g, uint32_t arg)
{
    (void)arg;
    seen[0] = fake_call(g, SYS_proc_setpgid, 1, 0);
    seen[1] = fake_call(g, SYS_proc_setpgid, 55, 0);
    seen[2] = fake_call(g, SYS_proc_setpgid, (uint32_t)-1, 0);
    seen[3] = fake_call(g, SYS_proc_setpgid, 0, (uint32_t)-5);
    seen[4] = fake_call(g, SYS_proc_kill, (uint32_t)INT32_MIN, 9);
}

static void parent_of_setpgid(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 1, 0);
    fake_wait(g, -1, 0, NULL);
}

TEST(proc_setpgid_is_for_oneself_and_children)
{
    static struct image image = {
        .name = "a", .own = true, .functions = {parent_of_setpgid, setpgid_of_others}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], ERRNO_SRCH);
    EQ(seen[1], ERRNO_SRCH);
    EQ(seen[2], ERRNO_INVAL);
    EQ(seen[3], ERRNO_INVAL);
    EQ(seen[4], ERRNO_SRCH);
    finish(&box);
}

static void kills_own_group(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 1, 0);
    fake_clone(g, 1, 0);
    fake_call(g, SYS_proc_kill, 0, CAPFUL_SIGTERM);
    seen[0] = 1;
}

TEST(proc_kill_own_group_includes_oneself)
{
    static struct image image = {.name = "a", .own = true, .functions = {kills_own_group, sleeps}};
    struct fake_box box;
    EQ(run(&image, &box), 128 + CAPFUL_SIGTERM);
    EQ(seen[0], 0);
    finish(&box);
}

static void kills_all(struct fake *g, uint32_t arg)
{
    uint32_t status = 0;
    (void)arg;
    fake_clone(g, 1, 0);
    fake_clone(g, 1, 0);
    seen[0] = fake_call(g, SYS_proc_kill, (uint32_t)-1, CAPFUL_SIGTERM);
    seen[1] = fake_wait(g, -1, 1, &status);
    seen[2] = fake_wait(g, -1, 1, &status);
    seen[3] = fake_call(g, SYS_proc_kill, (uint32_t)-1, 0);
}

TEST(proc_kill_all_spares_first_and_sender)
{
    static struct image image = {.name = "a", .own = true, .functions = {kills_all, sleeps}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], 0);
    EQ(seen[1], 2);
    EQ(seen[2], 3);
    EQ(seen[3], ERRNO_SRCH);
    finish(&box);
}

/* ---- spawn */

static void spawned(struct fake *g, uint32_t arg)
{
    uint32_t sizes = fake_alloc(g, 8), list = fake_alloc(g, 64), text = fake_alloc(g, 256);
    (void)arg;
    EQ(fake_call(g, SYS_args_sizes_get, sizes, sizes + 4), 0);
    EQ(fake_call(g, SYS_args_get, list, text), 0);
    seen[8] = (int32_t)fake_u32(g, sizes);
    fake_exit(g, (uint32_t)atoi(fake_at(g, fake_u32(g, list + 4))));
}
static struct image spawned_image = {.name = "other", .own = true, .functions = {spawned}};

static void spawns(struct fake *g, uint32_t arg)
{
    uint32_t status = 0;
    (void)arg;
    seen[0] = fake_spawn(g, "nobody", 0);
    seen[1] = fake_spawn(g, "other", 66);
    seen[2] = fake_wait(g, -1, 0, &status);
    seen[3] = (int32_t)status;
}

TEST(proc_spawn_by_name_with_arguments)
{
    static struct image image = {.name = "a", .own = true, .functions = {spawns}};
    struct fake_box box;
    reset();
    fake_box_init(&box);
    box.images[0] = &spawned_image;
    OK(fake_box_start(&box, &image) != NULL);
    fake_box_run(&box);
    EQ(seen[0], -ERRNO_NOENT);
    EQ(seen[1], 2);
    EQ(seen[2], 2);
    EQ(seen[3], 66);
    EQ(seen[8], 2);
    finish(&box);
}

static void spawn_wasi(struct fake *g, uint32_t arg)
{
    (void)arg;
    seen[0] = fake_spawn(g, "other", 1);
    seen[1] = fake_clone(g, 1, 0);
    seen[2] = fake_call(g, SYS_proc_chdir, fake_text(g, "/"), 1);
}

TEST(proc_a_wasi_program_may_not_make_processes)
{
    static struct image image = {.name = "a", .functions = {spawn_wasi, exits}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    for (int i = 0; i < 3; i++)
        EQ(abs(seen[i]), ERRNO_PERM);
    EQ(box.kernel.processes_started, 1);
    finish(&box);
}

/* Each field of the structure made wrong in turn: nothing may be left behind. */
static void spawn_wrongly(struct fake *g, uint32_t arg)
{
    struct capful_fd_map maps[2] = {{0, 44}, {5000, 0}};
    uint32_t far = g->size - 2, pid = fake_alloc(g, 4), base = fake_text(g, "other"),
             text = fake_text(g, "abc");
    uint32_t map = fake_data(g, maps, sizeof maps);
    const struct capful_spawn good = {.program = base, .program_len = 5};
    struct capful_spawn s[12];
    (void)arg;
    for (int i = 0; i < 12; i++)
        s[i] = good;
    s[0].program = far;
    s[1].program_len = 4;
    s[2].argv = far, s[2].argv_len = 8;
    s[3].argv = text, s[3].argv_len = 3; /* no NUL at the end */
    s[4].envp = text, s[4].envp_len = 3;
    s[5].argv_len = UINT32_MAX;
    s[6].fds = map, s[6].fd_count = 1;
    s[7].fds = map + 8, s[7].fd_count = 1;
    s[8].fds = far, s[8].fd_count = 1;
    s[9].fd_count = 5000;
    s[10].flags = 4;
    s[11].cwd = text, s[11].cwd_len = 3;
    for (int i = 0; i < 12; i++) {
        uint32_t mark = g->top, at = fake_data(g, &s[i], sizeof s[i]);
        seen[i] = fake_call(g, SYS_proc_spawn, at, pid);
        g->top = mark;
    }
    seen[12] = fake_call(g, SYS_proc_spawn, g->size - 8, pid);
    seen[13] = fake_call(g, SYS_proc_spawn, fake_data(g, &good, sizeof good), far);
}

TEST(proc_spawn_checks_everything_first)
{
    static const int wanted[14] = {ERRNO_FAULT, ERRNO_NOENT, ERRNO_FAULT, ERRNO_INVAL, ERRNO_INVAL,
                                   ERRNO_2BIG,  ERRNO_BADF,  ERRNO_BADF,  ERRNO_FAULT, ERRNO_INVAL,
                                   ERRNO_INVAL, ERRNO_NOENT, ERRNO_FAULT, ERRNO_FAULT};
    static struct image image = {.name = "a", .own = true, .functions = {spawn_wrongly}};
    struct fake_box box;
    reset();
    fake_box_init(&box);
    box.images[0] = &spawned_image;
    OK(fake_box_start(&box, &image) != NULL);
    fake_box_run(&box);
    for (int i = 0; i < 14; i++)
        EQ(seen[i] * 100 + i, wanted[i] * 100 + i);
    EQ(box.kernel.processes_started, 1);
    finish(&box);
}

static void spawn_refused(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_engine_state.fail_after = 1;
    fake_engine_state.fail_errno = ERRNO_AGAIN;
    seen[0] = fake_clone(g, 1, 0);
    seen[1] = fake_wait(g, -1, 0, NULL);
    seen[2] = fake_clone(g, 1, 0);
    seen[3] = fake_clone(g, 7, 0); /* no such function */
}

TEST(proc_engine_refuses_an_instance)
{
    static struct image image = {.name = "a", .own = true, .functions = {spawn_refused, exits}};
    struct fake_box box;
    EQ(run(&image, &box), 0);
    EQ(seen[0], -ERRNO_AGAIN);
    EQ(seen[1], -ERRNO_CHILD);
    EQ(seen[2], 3);
    EQ(seen[3], -ERRNO_INVAL);
    finish(&box);
}

/* ---- limits */

static void bomb(struct fake *g, uint32_t arg)
{
    for (;;)
        fake_clone(g, 0, arg);
}

TEST(proc_fork_bomb_ends_the_run)
{
    static struct image image = {.name = "a", .own = true, .functions = {bomb}};
    struct fake_box box;
    fake_box_init(&box);
    OK(fake_box_start(&box, &image) != NULL);
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    EQ(box.kernel.stop, STOP_LIMIT);
    STR_EQ(box.kernel.stop_text, "processes: more than 64 processes at a time");
    OK(box.kernel.live <= 64);
    finish(&box);
}

static void zombie_bomb(struct fake *g, uint32_t arg)
{
    for (;;) {
        fake_clone(g, 1, arg);
        fake_call(g, SYS_sched_yield);
    }
}

TEST(proc_zombie_bomb_ends_the_run)
{
    static struct image image = {
        .name = "a", .own = true, .memory = 4096, .functions = {zombie_bomb, exits}};
    struct fake_box box;
    fake_box_init(&box);
    OK(fake_box_start(&box, &image) != NULL);
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    EQ(box.kernel.stop, STOP_LIMIT);
    OK(strstr(box.kernel.stop_text, "nobody waited") != NULL);
    finish(&box);
}

TEST(proc_memory_limit_at_clone)
{
    static struct image image = {.name = "a", .own = true, .functions = {bomb}};
    struct fake_box box;
    fake_box_init(&box);
    box.limits.memory = 10 * FAKE_MEMORY;
    OK(fake_box_start(&box, &image) != NULL);
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    OK(strncmp(box.kernel.stop_text, "memory: ", 8) == 0);
    OK(box.kernel.memory_used <= box.limits.memory && box.kernel.memory_peak <= box.limits.memory);
    finish(&box);
}

TEST(proc_limit_of_none)
{
    static struct image image = {.name = "a", .own = true, .functions = {exits}};
    struct fake_box box;
    fake_box_init(&box);
    box.limits.processes = 0;
    OK(!fake_box_start(&box, &image));
    EQ(box.kernel.stop, STOP_LIMIT);
    finish(&box);
}

TEST(proc_many_at_once)
{
    static struct image image = {.name = "a", .own = true, .functions = {exits}};
    struct fake_box box;
    struct process *process;
    fake_box_init(&box);
    box.kernel.limits.processes = CAPFUL_UNLIMITED;
    box.kernel.limits.memory = CAPFUL_UNLIMITED;
    for (int i = 0; i < 3000; i++)
        EQ(process_new(&box.kernel, box.kernel.init, &image, &process), 0);
    EQ(box.kernel.live, 3000);
    OK(!kernel_check(&box.kernel));
    for (int32_t pid = 1; pid <= box.kernel.last_pid; pid++) {
        process = process_find(&box.kernel, pid);
        OK(!process || process->pid == pid);
    }
    OK(!process_find(&box.kernel, 0) && !process_find(&box.kernel, -1) &&
       !process_find(&box.kernel, INT32_MAX));
    finish(&box);
}

TEST(proc_numbers_run_out)
{
    static struct image image = {.name = "a", .own = true, .functions = {exits}};
    struct fake_box box;
    struct process *process;
    fake_box_init(&box);
    EQ(process_new(&box.kernel, NULL, &image, &process), 0);
    box.kernel.last_pid = INT32_MAX - 5;
    EQ(process_new(&box.kernel, process, &image, &process), ERRNO_AGAIN);
    EQ(box.kernel.stop, STOP_LIMIT);
    finish(&box);
}

/* Every allocation of a start fails once. */
TEST(proc_start_fault_sweep)
{
    static struct image image = {.name = "a", .own = true, .functions = {wait_one, exits}};
    uint64_t blocks = mem_live_blocks();
    int failures = 0;
    for (uint64_t n = 1; n < 100; n++) {
        struct fake_box box;
        reset();
        fake_box_init(&box);
        mem_fail_after(n);
        if (fake_box_start(&box, &image))
            fake_box_run(&box);
        else
            failures++;
        mem_fail_after(0);
        OK(!kernel_check(&box.kernel));
        fake_box_release(&box);
        EQ(box.kernel.memory_used, 0);
        EQ(mem_live_blocks(), blocks);
        if (seen[0] == 2)
            break;
    }
    OK(failures >= 5);
    EQ(seen[0], 2);
}

/* hooks are called for each process, once. */
static int inherited, exited, refuse_at;
static int on_inherit(struct process *parent, struct process *child)
{
    OK((parent == NULL) == (child->pid == 1));
    return ++inherited == refuse_at ? ERRNO_NOMEM : 0;
}
static void on_exited(struct process *process)
{
    OK(process->pid > 0);
    exited++;
}

TEST(proc_hooks_are_balanced)
{
    static struct image image = {.name = "a", .own = true, .functions = {wait_one, exits}};
    for (refuse_at = 0; refuse_at <= 2; refuse_at++) {
        struct fake_box box;
        reset();
        inherited = exited = 0;
        fake_box_init(&box);
        box.kernel.hooks.inherit = on_inherit;
        box.kernel.hooks.exited = on_exited;
        if (fake_box_start(&box, &image))
            fake_box_run(&box);
        finish(&box);
        EQ(inherited, refuse_at == 1 ? 1 : 2);
        EQ(exited, inherited);
        EQ(seen[0], refuse_at == 0 ? 2 : refuse_at == 1 ? 0 : -ERRNO_NOMEM);
    }
}

static void traps(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_trap(g, "unreachable code reached");
}

TEST(proc_trap_is_134_with_its_name)
{
    static struct image image = {.name = "a", .functions = {traps}};
    struct fake_box box;
    EQ(run(&image, &box), 134);
    STR_EQ(box.kernel.init->trap, "unreachable code reached");
    finish(&box);
}

static void exits_with_256(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_exit(g, 256 + 3);
}

TEST(proc_exit_code_is_eight_bits)
{
    static struct image image = {.name = "a", .functions = {exits_with_256}};
    struct fake_box box;
    EQ(run(&image, &box), 3);
    finish(&box);
}
