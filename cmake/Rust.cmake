# The two products of rust/, built once in build/rust and shared by all presets.
#
#   capful_runtime   an imported library: wasmtime's runtime and our functions, with its headers
#   capful_compile   the path of the compiler

set(rust_dir ${CMAKE_SOURCE_DIR}/build/rust)
set(rust_sources
    Cargo.toml Cargo.lock
    config/Cargo.toml config/src/lib.rs
    runtime/Cargo.toml runtime/src/lib.rs runtime/src/engine.rs runtime/src/guard.rs
    runtime/src/image_file.rs runtime/src/limiter.rs runtime/src/linker.rs runtime/src/regex.rs
    runtime/src/schema.rs runtime/src/sign.rs runtime/src/unicode.rs runtime/src/url.rs
    compile/Cargo.toml compile/src/main.rs compile/src/check.rs compile/src/limits.rs
    compile/src/pieces.rs compile/src/preinit.rs compile/src/touch.rs compile/src/trailer.rs
    compile/src/train.rs)
list(TRANSFORM rust_sources PREPEND ${CMAKE_SOURCE_DIR}/rust/)
set(rust_depends ${rust_sources} ${CMAKE_SOURCE_DIR}/scripts/build-rust
    ${CMAKE_SOURCE_DIR}/build/deps/crates.stamp)

set(capful_compile ${rust_dir}/capful-compile)
if(main_build)
    # One command, since two at once would disturb each other there.
    add_custom_target(main_products
        COMMAND ${CMAKE_COMMAND} --build ${main_build} --target rust_compile rust_runtime guest_js
        BYPRODUCTS ${capful_compile} ${rust_dir}/libcapful_runtime.a ${rust_dir}/include/wasmtime.h
                   ${main_build}/js.fast ${main_build}/js.plain
        COMMENT "What all presets share"
        USES_TERMINAL VERBATIM)
    add_custom_target(rust_compile DEPENDS main_products)
    add_custom_target(rust_runtime DEPENDS main_products)
else()
    # The two are built at once; of the longer one cargo's own progress is shown as it goes.
    add_custom_command(
        OUTPUT ${CMAKE_BINARY_DIR}/rust-compile.stamp
        BYPRODUCTS ${capful_compile}
        COMMAND ${CMAKE_SOURCE_DIR}/scripts/build-rust compile
        COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/rust-compile.stamp
        DEPENDS ${rust_depends}
        COMMENT "Building capful-compile (some minutes, once)"
        USES_TERMINAL VERBATIM)
    add_custom_command(
        OUTPUT ${CMAKE_BINARY_DIR}/rust-runtime.stamp
        BYPRODUCTS ${rust_dir}/libcapful_runtime.a ${rust_dir}/include/wasmtime.h
        COMMAND ${CMAKE_SOURCE_DIR}/scripts/build-rust runtime
        COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/rust-runtime.stamp
        DEPENDS ${rust_depends}
        COMMENT "Building the runtime (some minutes, once)"
        VERBATIM)
    add_custom_target(rust_compile DEPENDS ${CMAKE_BINARY_DIR}/rust-compile.stamp)
    add_custom_target(rust_runtime DEPENDS ${CMAKE_BINARY_DIR}/rust-runtime.stamp)
endif()

file(MAKE_DIRECTORY ${rust_dir}/include)
add_library(capful_runtime STATIC IMPORTED GLOBAL)
set_target_properties(capful_runtime PROPERTIES IMPORTED_LOCATION ${rust_dir}/libcapful_runtime.a)
target_include_directories(capful_runtime SYSTEM INTERFACE ${rust_dir}/include)
target_link_libraries(capful_runtime INTERFACE m)
add_dependencies(capful_runtime rust_runtime)
