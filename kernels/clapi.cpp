// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/clapi.h"

#include <dlfcn.h>

namespace ql
{
namespace
{

ClApi load()
{
    ClApi api;
    // Never closed: drivers keep threads that run until the process ends.
    void* library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return api;
    api.loaded = true;
#define QL_CL_LOOKUP(name)                                                                                             \
    api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, #name));                                            \
    api.loaded = api.loaded && api.name;
    QL_CL_FUNCTIONS(QL_CL_LOOKUP)
#undef QL_CL_LOOKUP
    return api;
}

} // namespace

ClApi& clApi()
{
    static ClApi api = load();
    return api;
}

} // namespace ql
