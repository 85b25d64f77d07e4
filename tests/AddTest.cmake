# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ql_reuse_headers(tst_x LIBRARY...): the common headers, precompiled once for all tests of the same libraries. QtTest is
# not among them, because it depends on macros that differ from folder to folder.
function(ql_reuse_headers test)
    string(MAKE_C_IDENTIFIER "precompiled_${ARGN}" holder)
    if(NOT TARGET ${holder})
        file(CONFIGURE OUTPUT ${holder}.cpp CONTENT "")
        add_library(${holder} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${holder}.cpp)
        target_link_libraries(${holder} PRIVATE ql_settings Qt6::Core ${ARGN})
        target_precompile_headers(${holder} PRIVATE ${QL_COMMON_HEADERS} <QCoreApplication> <QFile> <QTemporaryDir>)
    endif()
    target_precompile_headers(${test} REUSE_FROM ${holder})
endfunction()

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
    ql_reuse_headers(${arg_NAME} ${arg_LIBRARIES})
    add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
    if(arg_NAME IN_LIST sanitized_tests)
        list(APPEND arg_LABELS sanitized)
        add_dependencies(sanitized ${arg_NAME})
    endif()
    set_tests_properties(${arg_NAME} PROPERTIES ENVIRONMENT "QT_QPA_PLATFORM=offscreen" LABELS "${arg_LABELS}"
                                                TIMEOUT 600)
endfunction()
