// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the kernel tests share: devices that take tensors of any size and keep compiled kernels in the build folder, so
// that a test run compiles each program once, and the schemes to run on them.
#pragma once

#include "core/quant/packing.h"
#include "core/quant/schemetable.h"
#include "differences.h"
#include "kernels/openclbackend.h"
#include "referencebackend.h"
#include "support/testtensors.h"

#include <QTest>

namespace ql::test
{

inline OpenClOptions testOptions(bool gpuShape)
{
    OpenClOptions options;
    // The GPU shape compiles slowly on CPUs, and making a binary of it doubles that.
    options.cacheFolder = gpuShape ? "" : QL_KERNEL_CACHE;
    options.smallestTensor = 0;
    options.gpuShape = gpuShape;
    options.timeoutMs = 120000; // the first launch compiles, on a machine that may be busy
    options.sliceValues = 3000; // so that small tensors run in several slices
    return options;
}

/// Where the devices under test would fall back to; its `calls` stay 0 while kernels do the work.
inline ReferenceBackend& fallback()
{
    static const auto backend = std::make_shared<ReferenceBackend>();
    return *backend;
}

/// The device under test, made once per shape. A missing device ends the test run: nothing here may pass without one.
inline OpenClBackend& device(bool gpuShape = false)
{
    static std::shared_ptr<OpenClBackend> backends[2];
    auto& backend = backends[gpuShape];
    if (!backend) {
        const auto created = OpenClBackend::create("opencl:0:0", std::shared_ptr<Backend>(&fallback(), [](Backend*) {}),
                                                   testOptions(gpuShape));
        if (!created)
            qFatal("the kernel tests need an OpenCL device (pocl-opencl-icd): %s", created.error().text().c_str());
        backend = *created;
    }
    return *backend;
}

/// Every format, and every option that changes the arithmetic.
inline const std::vector<std::string>& schemeTexts()
{
    static const std::vector<std::string> texts = [] {
        std::vector<std::string> all;
        for (const FormatTraits& row : schemeTable()) {
            const bool superBlock = row.kind == FormatKind::Ggml && row.groupSize != row.blockSize;
            if (row.kind != FormatKind::Keep && !superBlock)
                all.emplace_back(row.name);
        }
        for (const char* more : {"int2,group=16",
                                 "int4,range=full",
                                 "int4,group=32,asym",
                                 "int8,asym",
                                 "int3,asym,group=1024",
                                 "int4,tensor",
                                 "int8,tensor,asym",
                                 "int8,channel",
                                 "int4,channel,asym",
                                 "int4,clip=ratio:0.8",
                                 "int4,clip=abs:0.03",
                                 "int4,clip=sigma:2",
                                 "int8,asym,clip=sigma:1.7",
                                 "int4,clip=mse",
                                 "int4,asym,group=64,clip=mse",
                                 "int4,clip=kl,group=32",
                                 "int4,scale=f32",
                                 "int4,scale=bf16",
                                 "int4,scale=e8m0",
                                 "int4,scale=e4m3",
                                 "int4,asym,scale=e4m3",
                                 "int4,double",
                                 "nf4,double",
                                 "int4,round=stochastic:7",
                                 "int8,asym,round=stochastic:1",
                                 "nf4,round=stochastic:12345678901",
                                 "fp8-e4m3,round=stochastic:3",

                                 "fp8-e4m3,tensor",
                                 "fp8-e5m2,group=32",
                                 "nf4,clip=mse",
                                 "nf4,tensor",
                                 "e2m1,scale=e8m0,group=32",
                                 "int4,tensor,round=stochastic:9"})
            all.emplace_back(more);
        return all;
    }();
    return texts;
}

} // namespace ql::test
