/* capful help: the overview and the topics, as text that fits 80 columns. The manual pages say
 * more. */
#include <string.h>

#include "base/buf.h"
#include "capful/capful.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/term.h"

static const char overview[] =
    "capful " CAPFUL_VERSION ": run a program in a sandbox, with the tools you grant and nothing\n"
    "else. No network; only the files you show it.\n"
    "\n"
    "  capful run FILE.js [ARG…]      run JavaScript (- reads standard input)\n"
    "  capful run -e CODE [ARG…]      run this code\n"
    "  capful exec PROG.wasm [ARG…]   run a WASI program\n"
    "  capful check POLICY            look through a policy without running anything\n"
    "  capful explain POLICY TOOL JSON   what it says of a call, and why\n"
    "  capful prompt --policy POLICY  what to tell a model about its tools\n"
    "  capful policy suggest|replay LOG   from a log to a policy\n"
    "  capful audit verify|show|html LOG   what the log of earlier runs says\n"
    "  capful help [TOPIC]            topics: run exec check explain prompt audit\n"
    "                                 policy tools limits mounts result trace exit\n"
    "  capful --version  --licenses  --help\n"
    "\n"
    "An example: show a directory, grant the tools of a policy, run a script.\n"
    "  capful run --mount ./data:/data --policy policy.json report.js\n";

static const char run_head[] =
    "capful run [OPTION…] FILE.js [ARG…]\n"
    "capful run [OPTION…] -e CODE [ARG…]\n"
    "capful run [OPTION…] - [ARG…]\n"
    "\n"
    "Runs JavaScript. The program may use top-level await and return; what it\n"
    "returns, or the value of its last statement, is printed last: a string as it\n"
    "is, anything else as JSON. What follows FILE is the program's (process.argv).\n"
    "Standard input reaches the program.\n"
    "\n"
    "Options, before FILE:\n";

static const char exec_head[] =
    "capful exec [OPTION…] PROG.wasm [ARG…]\n"
    "\n"
    "Runs a WASI preview 1 program under the same limits, mounts and tools. It is\n"
    "compiled first, by capful-compile in a process of its own, and kept in\n"
    "$XDG_CACHE_HOME/capful or ~/.cache/capful, which must be private.\n"
    "\n"
    "Options, before PROG.wasm:\n";

static const char check_text[] =
    "capful check [--strict] POLICY…\n"
    "\n"
    "Reads a policy as run would, and makes the calls of its \"tests\" without calling\n"
    "any tool. Prints \"POLICY: ok\", or all that is wrong as\n"
    "FILE:LINE:COLUMN: MESSAGE, and exits with 2. What is merely suspicious is a\n"
    "warning; with --strict it exits with 2 for that, too.\n";

static const char explain_text[] =
    "capful explain POLICY TOOL JSON [--facts JSON] [--grant NAME]\n"
    "\n"
    "Says whether the call would be allowed, asked about or denied as the first call of\n"
    "a run, and what each grant of the tool says of it, in the order of the policy. No\n"
    "tool is called. Exits with 0 (allowed), 1 (denied), 3 (asks), 2 (wrong usage or\n"
    "policy).\n"
    "\n"
    "  --facts JSON       what the host says of the run: an object\n"
    "  --grant NAME       only through this grant\n";

static const char prompt_text[] =
    "capful prompt --policy POLICY\n"
    "\n"
    "Prints the pages of the tools that the policy grants: name, description,\n"
    "arguments, and what is asked of a call, for the prompt of a model.\n";

static const char audit_text[] =
    "capful audit verify LOG [--key KEY] [--expect-head HASH]\n"
    "capful audit show LOG [--run ID] [--tool PATTERN] [--verdict VERDICT] [--json]\n"
    "capful audit html LOG [--output FILE]\n"
    "capful audit keygen FILE\n"
    "\n"
    "An audit log says what each run was allowed, refused and did. Its records hang\n"
    "on each other: verify names each one that was changed, removed, moved or\n"
    "inserted, prints the head of the log, and exits with 0 (sound), 1 (changed) or\n"
    "3 (sound, but its end is unfinished or not signed by KEY). Older files of a log\n"
    "that was rotated are read with it.\n"
    "\n"
    "  --key KEY          public key that must have signed it: 64 digits, or a file\n"
    "  --expect-head HASH a head noted earlier: it must still be in the log\n"
    "  --run ID           records of one run; the beginning of its identifier will do\n"
    "  --tool PATTERN     of one tool; * is a part of a name, ** any number of parts\n"
    "  --verdict VERDICT  calls that were allowed (allow), refused (deny) or asked\n"
    "                     about (ask)\n"
    "  --json             the records as they stand in the log\n"
    "  --output FILE      the page goes there instead of to stdout\n"
    "\n"
    "keygen writes a new secret key to FILE and prints the public one. Options may\n"
    "stand before LOG only. See capful-audit(5), also for what an unsigned log does\n"
    "not prove.\n";

static const char policy_text[] =
    "A policy is JSON; comments and trailing commas are allowed.\n"
    "\n"
    "  {\n"
    "    \"limits\": {\"wall\": \"5s\", \"memory\": \"64MiB\"},\n"
    "    \"mounts\": [{\"host\": \"./data\", \"guest\": \"/data\", \"mode\": \"ro\"}],\n"
    "    \"env\": {\"REGION\": \"north\"},\n"
    "    \"tools\": {\"weather\": {\"command\": [\"get-weather\", \"--city\", \"{city}\"]}},\n"
    "    \"grants\": [\"weather\", {\"tool\": \"refund\", \"max_calls\": 3}]\n"
    "  }\n"
    "\n"
    "Only a tool that \"grants\" names may be called. An unknown key, a misspelt tool\n"
    "or a wrong type is an error, and nothing runs. Relative paths start at the\n"
    "directory of the policy.\n"
    "\n"
    "  capful policy suggest LOG [--extends POLICY]\n"
    "  capful policy replay LOG --policy POLICY\n"
    "\n"
    "suggest prints the narrowest grants under which the calls of an audit log would\n"
    "have been made. replay says which of its verdicts would be others under POLICY,\n"
    "and exits with 1 if there are any. See capful help tools, capful help limits, and\n"
    "capful-policy(5).\n";

static const char tools_text[] =
    "A tool in a policy is a program of the host:\n"
    "\n"
    "  \"weather\": {\n"
    "    \"description\": \"The weather of a city\",\n"
    "    \"schema\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}}},\n"
    "    \"command\": [\"get-weather\", \"--city\", \"{city}\"],\n"
    "    \"input\": \"json\",         arguments as JSON on stdin, or \"none\"\n"
    "    \"output\": \"json\",        the result on stdout, or \"text\"\n"
    "    \"env\": {},               its whole environment, but for PATH and the like\n"
    "    \"cwd\": \".\",\n"
    "    \"time_limit\": \"10s\",\n"
    "    \"allow_leading\": [\"city\"] values that may begin with - or @\n"
    "  }\n"
    "\n"
    "No shell is involved. A script calls it as `await tools.weather({city: \"Oslo\"})`.\n"
    "A call that fails throws a ToolError, one that is refused a ToolDenied.\n";

static const char mounts_text[] =
    "--mount HOST:GUEST[:MODE] shows the directory HOST of this machine as GUEST.\n"
    "\n"
    "  ro       the program reads (this is what you get if you say nothing)\n"
    "  rw       it writes to the host's files\n"
    "  overlay  it writes, and the host's files stay as they are; --diff lists what\n"
    "           it added (A), changed (M) and deleted (D)\n"
    "\n"
    "No symbolic link leads out of HOST. /workspace, where the program starts, and\n"
    "/tmp are its own and gone afterwards.\n";

static const char result_text[] =
    "--json prints the whole result on stdout as one JSON object, --result FILE writes\n"
    "it to a file beside the normal output. Its members:\n"
    "\n"
    "  status      \"ok\", \"error\", \"denied\", \"limit\", \"killed\" or \"fault\"\n"
    "  exit_code   of the program\n"
    "  value       what the program gave; has_value tells null from nothing\n"
    "  stdout, stderr          (stdout_base64, … beside them where they are not UTF-8)\n"
    "  error       name, message, stack, file, line, column; tool and code of a tool's\n"
    "  message     one line for people, null with \"ok\"\n"
    "  limit       the limit that was hit, or \"deadlock\"\n"
    "  mode        \"enforce\", \"watch\" (the policy only watched) or \"dry_run\"\n"
    "  calls       each tool call: id, tool, arguments, outcome, message, would_deny,\n"
    "              grant, times\n"
    "  usage       times in ns, memory, counts, bytes\n"
    "  diff        with --diff: kind and path of what overlays hold\n";

static const char trace_text[] =
    "--trace shows each tool call on stderr as it happens:\n"
    "\n"
    "  trace  0.012 s  weather({\"city\":\"Oslo\"})  allowed  [id]\n"
    "  trace  0.112 s  weather({\"city\":\"Oslo\"})  done in 100 ms, 45 bytes  [id]\n"
    "  trace  0.113 s  refund({\"amount\":5})  refused: …  [id]\n"
    "\n"
    "A policy that only watches has \"allowed, WOULD BE DENIED: …\" there.\n"
    "Control characters in arguments are shown, not obeyed.\n";

static const char exit_text[] =
    "The exit code is the program's own, and:\n"
    "\n"
    "  1        an error in JavaScript that nothing caught\n"
    "  2        wrong usage or policy: nothing was run\n"
    "  124      a limit was hit; one line on stderr names it\n"
    "  125      capful itself failed\n"
    "  126      a tool call was denied and the program did not catch that\n"
    "  128 + n  ended by signal n\n"
    "\n"
    "A program can exit with any number: --result FILE tells for certain.\n";

/* ------------------------------------------------------------------ topics that are made */

static void add_run(struct buf *out)
{
    buf_add_text(out, run_head);
    options_describe(out, COMMAND_RUN);
}

static void add_exec(struct buf *out)
{
    buf_add_text(out, exec_head);
    options_describe(out, COMMAND_EXEC);
}

static const char *time_name(uint64_t ns, char text[32])
{
    struct buf out = BUF_INIT(32);
    if (ns == CAPFUL_UNLIMITED)
        return "unlimited";
    buf_printf(&out, "%llus", (unsigned long long)(ns / CAPFUL_SECOND));
    strncpy(text, out.data ? out.data : "", 31);
    buf_release(&out);
    return text;
}

static const char *quantity_name(uint64_t value, bool bytes, char text[32])
{
    struct buf out = BUF_INIT(32);
    bool mib = bytes && value >= CAPFUL_MIB;
    buf_printf(&out, "%llu%s", (unsigned long long)(mib ? value / CAPFUL_MIB : value),
               mib ? "MiB" : "");
    strncpy(text, out.data ? out.data : "", 31);
    buf_release(&out);
    return text;
}

enum unit { NS, BYTES, COUNT };

static void add_limit(struct buf *out, const char *name, enum unit unit, uint64_t value,
                      const char *text)
{
    char number[32] = "";
    buf_printf(out, "  %-15s %-10s %s\n", name,
               unit == NS ? time_name(value, number) : quantity_name(value, unit == BYTES, number),
               text);
}

static void add_limits(struct buf *out)
{
    buf_add_text(
        out,
        "The limits of one run, in a policy's \"limits\", with what holds if nothing is said:\n\n");
#define LIMIT(name, unit, value, text) add_limit(out, #name, unit, value, text);
#include "abi/limits.def"
#undef LIMIT
    buf_add_text(
        out,
        "\nTimes are written 10s, 500ms, 2m; sizes 64M, 64MiB, 1GB; \"unlimited\" lifts one.\n"
        "--timeout sets wall (and cpu, where it stands at less), --memory sets memory (and\n"
        "process_memory likewise), --max-output output, --max-calls calls. A limit that is hit\n"
        "ends the run with exit code 124; but a path, links or descriptors beyond theirs are\n"
        "errors that the program sees, and so is an argument or result that is too large.\n");
}

static const struct topic {
    const char *name;
    const char *text; /* or: */
    void (*add)(struct buf *out);
} topics[] = {
    {"run", NULL, add_run},          {"exec", NULL, add_exec},      {"check", check_text, NULL},
    {"explain", explain_text, NULL}, {"prompt", prompt_text, NULL}, {"audit", audit_text, NULL},
    {"policy", policy_text, NULL},   {"tools", tools_text, NULL},   {"limits", NULL, add_limits},
    {"mounts", mounts_text, NULL},   {"result", result_text, NULL}, {"json", result_text, NULL},
    {"trace", trace_text, NULL},     {"exit", exit_text, NULL},
};
enum { TOPICS = sizeof topics / sizeof *topics };

void help_overview(int fd)
{
    (void)term_write(fd, overview, sizeof overview - 1);
}

int help_topic(const char *name)
{
    const char *names[TOPICS + 1];
    for (int i = 0; i < TOPICS; i++) {
        struct buf out = BUF_INIT(1 << 16);
        names[i] = topics[i].name;
        if (strcmp(name, topics[i].name) != 0)
            continue;
        if (topics[i].text)
            buf_add_text(&out, topics[i].text);
        else
            topics[i].add(&out);
        int failed = term_write(1, out.data, out.len);
        buf_release(&out);
        return failed ? EXIT_FAULT : 0;
    }
    names[TOPICS] = NULL;
    const char *guess = options_suggest(name, names);
    return term_fail(
        EXIT_USAGE, "there is no help about \"%s\"%s%s", name, guess,
        *guess ? ""
               : "; topics: run exec check explain prompt audit policy tools limits mounts result "
                 "trace exit");
}

int command_help(int count, char **words)
{
    if (count > 0)
        return help_topic(words[0]);
    help_overview(1);
    return 0;
}
