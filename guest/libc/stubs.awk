# Makes the guest's system call stubs from abi/syscalls.def:  awk -f stubs.awk syscalls.def > capful_stubs.h
#
# For every SYSCALL(name, params, kind, rights) line: the import "capful"."name" and an inline capful_name() that
# calls it and, for a call that PARKS, waits where the host answers that it has to. wasi-libc's own functions get
# the same route (CAPFUL_WASI_STUBS, expanded once by wasi.c, which has a clock_time_get of its own).
BEGIN {
    print "/* Made from abi/syscalls.def by guest/libc/stubs.awk. */"
}
/^SYSCALL_(WASI|OWN)\(/ {
    line = $0
    wasi = line ~ /^SYSCALL_WASI/
    sub(/^[A-Z_]+\(/, "", line)
    split(line, part, /, */)
    name = part[1]
    params = part[2]
    gsub(/"/, "", params)
    parks = part[3] == "PARKS"
    types = ""; names = ""; decl = ""
    for (i = 1; i <= length(params); i++) {
        t = substr(params, i, 1) == "I" ? "int64_t" : "capful_word"
        sep = i > 1 ? ", " : ""
        types = types sep t
        decl = decl sep t " a" i
        names = names sep "a" i
    }
    if (types == "")
        types = decl = "void"
    printf "CAPFUL_IMPORT(%s) int32_t capful_import_%s(%s);\n", name, name, types
    printf "static inline int32_t capful_%s(%s)\n{\n", name, decl
    if (parks)
        printf "    return capful_wait(capful_import_%s(%s));\n}\n", name, names
    else
        printf "    return capful_import_%s(%s);\n}\n", name, names
    if (wasi && name != "clock_time_get")
        stubs = stubs sprintf("int32_t __imported_wasi_snapshot_preview1_%s(%s);\nint32_t __imported_wasi_snapshot_preview1_%s(%s)\n{\n    return capful_%s(%s);\n}\n", name, types, name, decl, name, names)
}
END {
    print "#ifdef CAPFUL_WASI_STUBS"
    printf "%s", stubs
    print "#endif"
}
