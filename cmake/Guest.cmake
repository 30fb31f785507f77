# Programs for the sandbox: C to WebAssembly, initialised, compiled ahead of time, put into objects.
#
#   add_guest(NAME SOURCES file… [INIT function] [FLAGS flag…] [INCLUDES dir…] [HEADERS generated…]
#             [STACK bytes] [TRAIN script…])
#
# makes NAME.wasm, NAME.fast and NAME.plain in the build folder, and the object library image_NAME with
# the symbols image_NAME_fast_start, …_end and image_NAME_plain_start, …_end.  The object begins on a
# page, since the image is used where it lies.  INIT is run when the image is made (--preinit);
# what the scripts TRAIN touch comes to lie together in it (--train).
#
# A source's property GUEST_FLAGS adds flags for it; "-w" there also takes our warnings away.

find_program(CAPFUL_GUEST_CC NAMES clang-22 clang-23 clang-21 clang-20 clang-19 clang-18 clang-17
             clang-16 clang REQUIRED DOC "a clang with the wasm32 target")
set(CAPFUL_GUEST_SYSROOT /usr CACHE PATH "where wasi-libc is: its headers in include/wasm32-wasi")

set(guest_target --target=wasm32-wasi --sysroot=${CAPFUL_GUEST_SYSROOT} -Wno-deprecated)
set(guest_flags ${guest_target} -std=gnu11 -O2 -DNDEBUG -D_GNU_SOURCE -fno-strict-aliasing -fwrapv
    -mno-bulk-memory -mno-bulk-memory-opt -mno-multivalue -mno-reference-types
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -fvisibility=hidden -I${CMAKE_SOURCE_DIR})
set(guest_warnings -Wall -Wextra -Wshadow -Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wvla
    -Wno-unused-function)
if(CAPFUL_WERROR)
    list(APPEND guest_warnings -Werror)
endif()

# The object library image_NAME of the images that lie in the folder `where`.
function(add_guest_image name dir where images)
    # One assembly file; it names the images by what -I finds, so that no path gets into the object.
    set(text "/* The images of the guest ${name}. */\n")
    foreach(kind fast plain)
        string(APPEND text "    .section .rodata.image_${name}_${kind},\"a\",@progbits\n"
               "    .balign 4096\n"
               "    .globl image_${name}_${kind}_start, image_${name}_${kind}_end\n"
               "    .hidden image_${name}_${kind}_start, image_${name}_${kind}_end\n"
               "image_${name}_${kind}_start:\n    .incbin \"${name}.${kind}\"\n"
               "image_${name}_${kind}_end:\n    .balign 4096\n")
    endforeach()
    string(APPEND text "    .section .note.GNU-stack,\"\",@progbits\n")
    file(GENERATE OUTPUT ${dir}/image.S CONTENT "${text}")
    set_source_files_properties(${dir}/image.S PROPERTIES OBJECT_DEPENDS "${images}" LANGUAGE ASM
                                COMPILE_OPTIONS "-Wa,-I,${where}" GENERATED TRUE)
    add_library(image_${name} OBJECT EXCLUDE_FROM_ALL ${dir}/image.S)
    add_dependencies(image_${name} guest_${name})
endfunction()

function(add_guest name)
    cmake_parse_arguments(PARSE_ARGV 1 G "" "INIT;STACK" "SOURCES;FLAGS;INCLUDES;HEADERS;TRAIN")
    if(NOT G_STACK)
        set(G_STACK 65536)
    endif()
    set(dir ${CMAKE_BINARY_DIR}/guest/${name})
    file(MAKE_DIRECTORY ${dir})
    list(TRANSFORM G_INCLUDES PREPEND -I)

    set(objects)
    foreach(source IN LISTS G_SOURCES)
        get_filename_component(path ${source} ABSOLUTE)
        get_filename_component(stem ${source} NAME_WE)
        get_source_file_property(extra ${source} GUEST_FLAGS)
        if(NOT extra)
            set(extra)
        endif()
        set(warnings ${guest_warnings})
        if("-w" IN_LIST extra)
            if(main_build)
                continue()
            endif()
            set(warnings)
        endif()
        # Fetched sources keep their dates, whatever was patched: their stamp tells.
        set(stamp)
        if(path MATCHES "^${deps}/")
            set(stamp ${deps}/sdists.stamp)
        endif()
        set(object ${dir}/${stem}.o)
        add_custom_command(
            OUTPUT ${object}
            COMMAND ${CAPFUL_GUEST_CC} ${guest_flags} ${warnings} ${G_FLAGS} ${G_INCLUDES} ${extra}
                    -MD -MT ${object} -MF ${object}.d -c ${path} -o ${object}
            DEPENDS ${path} ${stamp} ${G_HEADERS}
            DEPFILE ${object}.d
            COMMENT "Guest ${name}: ${stem}.c"
            VERBATIM)
        list(APPEND objects ${object})
    endforeach()

    if(main_build) # only our sources are compiled here, for their warnings
        set(images ${main_build}/${name}.fast ${main_build}/${name}.plain)
        add_custom_target(guest_${name} DEPENDS ${objects} main_products)
        add_guest_image(${name} ${dir} ${main_build} "${images}")
        return()
    endif()

    set(wasm ${dir}/${name}.wasm)
    add_custom_command(
        OUTPUT ${wasm}
        COMMAND ${CAPFUL_GUEST_CC} ${guest_target} ${objects} -nostartfiles --no-wasm-opt
                -Wl,--no-entry -Wl,--export=__stack_pointer -Wl,--export-memory
                -Wl,--export-if-defined=heap_plan
                -Wl,-z,stack-size=${G_STACK} -Wl,--stack-first -Wl,--gc-sections -Wl,-s -o ${wasm}
        DEPENDS ${objects}
        COMMENT "Guest ${name}: linking"
        VERBATIM)

    set(ready ${wasm})
    if(G_INIT)
        set(train)
        set(scripts)
        foreach(script IN LISTS G_TRAIN)
            get_filename_component(path ${script} ABSOLUTE)
            list(APPEND scripts ${path})
            list(APPEND train --train ${path})
        endforeach()
        set(ready ${dir}/${name}.ready.wasm)
        add_custom_command(
            OUTPUT ${ready}
            COMMAND ${capful_compile} --kind wasm --preinit ${G_INIT} ${train} --keep __stack_pointer
                    ${wasm} -o ${ready}
            DEPENDS ${wasm} ${scripts} ${capful_compile}
            COMMENT "Guest ${name}: running ${G_INIT}"
            VERBATIM)
    endif()
    foreach(kind fast plain)
        add_custom_command(
            OUTPUT ${CMAKE_BINARY_DIR}/${name}.${kind}
            COMMAND ${capful_compile} --kind ${kind} --keep __stack_pointer ${ready}
                    -o ${CMAKE_BINARY_DIR}/${name}.${kind}
            DEPENDS ${ready} ${capful_compile}
            COMMENT "Guest ${name}: compiling for ${kind} engines"
            VERBATIM)
    endforeach()
    set(images ${CMAKE_BINARY_DIR}/${name}.fast ${CMAKE_BINARY_DIR}/${name}.plain)
    add_custom_target(guest_${name} DEPENDS ${images})

    add_guest_image(${name} ${dir} ${CMAKE_BINARY_DIR} "${images}")
endfunction()
