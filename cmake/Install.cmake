# What `make install` puts where.

install(PROGRAMS ${CMAKE_BINARY_DIR}/capful DESTINATION ${CMAKE_INSTALL_BINDIR})
install(PROGRAMS ${CMAKE_BINARY_DIR}/capful-compile
        DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/capful)
install(FILES include/capful/capful.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/capful)
if(TARGET capful_shared)
    install(TARGETS capful_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(FILES ${CMAKE_BINARY_DIR}/libcapful.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(FILES man/capful.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES man/libcapful.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(FILES man/capful-audit.5 man/capful-policy.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES share/policy.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/capful)
install(FILES completions/capful.bash RENAME capful
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES LICENSE ${CMAKE_BINARY_DIR}/licenses.txt DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The pkg-config file and the CMake package find the rest from where they lie, so that
# `cmake --install --prefix` may choose another place.
set(pc_libdir \${exec_prefix}/${CMAKE_INSTALL_LIBDIR})
set(pc_includedir \${prefix}/${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/capful.pc.in ${CMAKE_BINARY_DIR}/capful.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/capful.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(CODE "
    set(pc \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig/capful.pc\")
    file(READ \"\${pc}\" text)
    string(REGEX REPLACE \"^prefix=[^\\n]*\" \"prefix=\${CMAKE_INSTALL_PREFIX}\" text \"\${text}\")
    file(WRITE \"\${pc}\" \"\${text}\")
")
configure_package_config_file(cmake/capfulConfig.cmake.in ${CMAKE_BINARY_DIR}/capfulConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/capful
    PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/capfulConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/capfulConfig.cmake ${CMAKE_BINARY_DIR}/capfulConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/capful)
