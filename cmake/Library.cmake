# libcapful.a as one object in which nothing but capful_* is global, and libcapful.so.
#
#   add_capful_library(OBJECTS objects… RUNTIME file)
#
# The archive: all objects and what they need of the runtime are linked into one relocatable object;
# sections that no function of the public header reaches are left out; then every other name is made
# local.  So our short names and wasmtime's cannot meet those of the program it is linked into.
# (Rust's standard library carries LLVM bitcode, which ar would hand to a plugin that may not know it.)

set(capful_header ${CMAKE_SOURCE_DIR}/include/capful/capful.h)

# The functions of the public header, one -u for each.
function(read_public_functions ret)
    file(READ ${capful_header} text)
    string(REGEX MATCHALL "CAPFUL_API[^;(]*[ *\n]capful_[a-z0-9_]+\\(" declarations "${text}")
    set(roots)
    foreach(declaration IN LISTS declarations)
        string(REGEX MATCH "(capful_[a-z0-9_]+)\\($" name "${declaration}")
        list(APPEND roots -u ${CMAKE_MATCH_1})
    endforeach()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${capful_header})
    set(${ret} ${roots} PARENT_SCOPE)
endfunction()

function(add_capful_archive)
    cmake_parse_arguments(PARSE_ARGV 0 L "" "RUNTIME" "OBJECTS;DEPENDS")
    read_public_functions(roots)
    set(whole ${CMAKE_BINARY_DIR}/capful.o)
    set(archive ${CMAKE_BINARY_DIR}/libcapful.a)
    add_custom_command(
        OUTPUT ${archive}
        COMMAND ${CMAKE_LINKER} -r --gc-sections --force-group-allocation ${roots} -o ${whole}
                ${L_OBJECTS} ${L_RUNTIME}
        COMMAND ${CMAKE_OBJCOPY} --strip-debug -R .llvmbc -R .llvmcmd --wildcard
                --keep-global-symbol=capful_* ${whole}
        COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
        COMMAND ${CMAKE_AR} rcsD ${archive} ${whole}
        COMMAND ${CMAKE_COMMAND} -E rm -f ${whole}
        DEPENDS ${L_OBJECTS} ${L_RUNTIME} ${L_DEPENDS}
        COMMENT "Linking libcapful.a"
        COMMAND_EXPAND_LISTS VERBATIM)
    add_custom_target(capful_archive ALL DEPENDS ${archive})
endfunction()
