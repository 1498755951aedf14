# What `cmake --install` puts where.

if(TARGET holdfastd)
    install(TARGETS holdfastd DESTINATION ${CMAKE_INSTALL_SBINDIR})
endif()
if(TARGET holdfast)
    install(TARGETS holdfast DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

file(GLOB units CONFIGURE_DEPENDS image/units/*.service)
install(FILES ${units} DESTINATION lib/systemd/system)
install(FILES image/sysusers/holdfast.conf DESTINATION lib/sysusers.d)
if(TARGET holdfast)
    # Written by the program itself, from the tables that it dispatches by.
    install(CODE "execute_process(COMMAND $<TARGET_FILE:holdfast> completion bash
        OUTPUT_FILE \"${CMAKE_CURRENT_BINARY_DIR}/holdfast.bash\" COMMAND_ERROR_IS_FATAL ANY)")
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/holdfast.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME holdfast)
endif()
install(FILES docs/holdfast.example.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES docs/holdfast.8 docs/holdfastd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
