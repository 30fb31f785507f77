# SQLite, which keeps the state of accounts in files (src/policy/store_sqlite.c).
#
# Its source comes in a crate, since crates are fetched and checked anyhow; cargo builds nothing of it.
# What takes time is the disk, so it is optimised only a little: half the time to compile.  Nothing that
# a store does not use is compiled where the amalgamation allows that; no extension can be loaded, and
# text in double quotes is never a string.  Sanitizers look at our side only: with them it would take
# more than a minute.

file(GLOB sqlite_dir ${deps}/vendor/libsqlite3-sys-*/sqlite3)
set(sqlite_source ${sqlite_dir}/sqlite3.c)
set(sqlite_options -w -O1)
if(CAPFUL_SANITIZE OR CAPFUL_LIBFUZZER)
    list(APPEND sqlite_options -fno-sanitize=all)
endif()
if(CAPFUL_COVERAGE)
    list(APPEND sqlite_options -fno-profile-arcs -fno-test-coverage)
endif()
add_library(sqlite OBJECT ${sqlite_source})
target_link_libraries(sqlite PRIVATE flags)
target_compile_definitions(sqlite PRIVATE
    NDEBUG HAVE_FDATASYNC=1 HAVE_GMTIME_R=1 HAVE_LOCALTIME_R=1 HAVE_USLEEP=1 USE_PREAD=1
    SQLITE_DEFAULT_FILE_PERMISSIONS=0600 SQLITE_DEFAULT_MEMSTATUS=0 SQLITE_DEFAULT_WAL_SYNCHRONOUS=2
    SQLITE_DQS=0 SQLITE_LIKE_DOESNT_MATCH_BLOBS SQLITE_MAX_ATTACHED=0 SQLITE_MAX_EXPR_DEPTH=100
    SQLITE_OMIT_AUTHORIZATION SQLITE_OMIT_COMPILEOPTION_DIAGS SQLITE_OMIT_COMPLETE
    SQLITE_OMIT_DATETIME_FUNCS SQLITE_OMIT_DECLTYPE SQLITE_OMIT_DEPRECATED SQLITE_OMIT_DESERIALIZE
    SQLITE_OMIT_GET_TABLE SQLITE_OMIT_INCRBLOB SQLITE_OMIT_INTROSPECTION_PRAGMAS SQLITE_OMIT_JSON
    SQLITE_OMIT_LOAD_EXTENSION SQLITE_OMIT_PROGRESS_CALLBACK SQLITE_OMIT_SHARED_CACHE
    SQLITE_OMIT_TCL_VARIABLE SQLITE_OMIT_TRACE SQLITE_OMIT_UTF16
    SQLITE_TEMP_STORE=3 SQLITE_THREADSAFE=2)
# Of a source, since these come last.
set_source_files_properties(${sqlite_source} PROPERTIES COMPILE_OPTIONS "${sqlite_options}"
                            OBJECT_DEPENDS ${deps}/crates.stamp)
