# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ql_embed_kernels(TARGET a.cl b.cl ...) adds a generated source that defines kernelSources() of kernelsource.h. The
# files go in as they are; kernelSource() resolves their #include lines, and on disk each one compiles by itself.
if(CMAKE_SCRIPT_MODE_FILE)
    set(text "#include \"kernels/kernelsource.h\"\n\nnamespace ql {\nstd::span<const KernelFile> kernelFiles()\n{\n"
             "    static const KernelFile files[] = {\n")
    string(CONCAT text ${text})
    foreach(file IN LISTS FILES)
        file(READ "${file}" content)
        get_filename_component(name "${file}" NAME)
        string(APPEND text "        {\"${name}\", R\"QLCL(${content})QLCL\"},\n")
    endforeach()
    string(APPEND text "    };\n    return files;\n}\n} // namespace ql\n")
    file(WRITE "${OUTPUT}" "${text}")
    return()
endif()

set(ql_embed_script ${CMAKE_CURRENT_LIST_FILE})
function(ql_embed_kernels target)
    list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${target}_files.cpp)
    add_custom_command(OUTPUT ${output} DEPENDS ${files} ${ql_embed_script} VERBATIM
                       COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} "-DFILES=${files}" -P ${ql_embed_script}
                       COMMENT "Embedding OpenCL kernels")
    target_sources(${target} PRIVATE ${output})
endfunction()
