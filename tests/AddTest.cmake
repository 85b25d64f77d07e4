# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ql_add_test(NAME tst_x SOURCES tst_x.cpp [LIBRARIES ql_core ...] [LABELS core])
# One Qt Test executable, registered with CTest and run offscreen.
function(ql_add_test)
    cmake_parse_arguments(arg "" "NAME" "SOURCES;LIBRARIES;LABELS" ${ARGN})
    add_executable(${arg_NAME} ${arg_SOURCES})
    set_target_properties(${arg_NAME} PROPERTIES AUTOMOC ON)
    target_link_libraries(${arg_NAME} PRIVATE ql_settings Qt6::Test ${arg_LIBRARIES})
    target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_compile_definitions(${arg_NAME} PRIVATE QL_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
                                                   QL_RESOURCES="${PROJECT_SOURCE_DIR}/resources")
    add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
    if(arg_NAME IN_LIST sanitized_tests)
        list(APPEND arg_LABELS sanitized)
        add_dependencies(sanitized ${arg_NAME})
    endif()
    set_tests_properties(${arg_NAME} PROPERTIES ENVIRONMENT "QT_QPA_PLATFORM=offscreen" LABELS "${arg_LABELS}"
                                                TIMEOUT 600)
endfunction()
