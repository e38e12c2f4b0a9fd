# Installed: the program, its configs, models and Python module, found relative to the executable at run time,
# completions of bash and zsh in the folders where these look, and the manual page.
include(GNUInstallDirs)
install(TARGETS mbrl_gpu RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/mbrl_gpu FILES_MATCHING PATTERN "*.json")
install(DIRECTORY profiling/peers DESTINATION ${CMAKE_INSTALL_DATADIR}/mbrl_gpu FILES_MATCHING PATTERN "*.py")
install(DIRECTORY python/mbrl_gpu DESTINATION ${CMAKE_INSTALL_DATADIR}/mbrl_gpu/python FILES_MATCHING PATTERN "*.py")
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
# written by the program itself when it was built (write_usage.sh)
set(usage ${PROJECT_BINARY_DIR}/generated/usage)
install(FILES ${usage}/mbrl_gpu DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions OPTIONAL)
install(FILES ${usage}/_mbrl_gpu DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions OPTIONAL)
install(FILES ${usage}/mbrl_gpu.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)
