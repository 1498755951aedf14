# What `cmake --install` puts where: programs, and what dist/ holds for them.

if(TARGET holdfastd)
    install(TARGETS holdfastd DESTINATION ${CMAKE_INSTALL_SBINDIR})
endif()
if(TARGET holdfast)
    install(TARGETS holdfast DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

file(GLOB units CONFIGURE_DEPENDS image/units/*.service)
install(FILES ${units} DESTINATION lib/systemd/system)
file(GLOB completions CONFIGURE_DEPENDS dist/completion/*)
install(FILES ${completions} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
file(GLOB examples CONFIGURE_DEPENDS dist/*.yaml)
install(FILES ${examples} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
