// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Runs every kernel once on very little data, in both shapes, and compares: what Oclgrind watches for data races and
// for reads of memory that is uninitialised or out of bounds. Exit code 0 when all results are right.
#include "kerneltest.h"

#include <cstdio>

using namespace ql;
using namespace ql::test;

namespace
{

int failures = 0;

void expect(bool right, const char* shape, const std::string& what)
{
    if (!right) {
        ++failures;
        std::printf("%s: %s is wrong\n", shape, what.c_str());
    }
}

void run(const char* name, OpenClBackend& backend, std::initializer_list<const char*> schemes)
{
    ReferenceBackend reference;
    std::vector<float> x = makeInput(Input::Outlier, 2 * 96);
    x[100] = std::numeric_limits<float>::quiet_NaN();
    const auto tensor = TensorView::fromFloats(x, 2, 96);
    const auto stats = backend.statistics(tensor, {});
    expect(stats && stats->nans == 1 && stats->firstNonFinite == 100, name, "statistics");
    const auto histogram = backend.histogram(tensor, -1, 1, 16, {});
    expect(histogram && histogram->counts == reference.histogram(tensor, -1, 1, 16, {})->counts, name, "histogram");
    const auto sweep = backend.clipSweep(tensor, *Scheme::parse("int4,group=32"), {});
    expect(sweep && sweep->best == reference.clipSweep(tensor, *Scheme::parse("int4,group=32"), {})->best, name,
           "sweep");
    for (const char* text : schemes) {
        const Scheme scheme = *Scheme::parse(text);
        const auto parameters = *backend.prepare(tensor, scheme, {});
        const auto wanted = *reference.quantizeRows(tensor, parameters, 0, 2, {});
        const auto got = backend.quantizeRows(tensor, parameters, 0, 2, {});
        expect(got && difference(*got, wanted).isEmpty(), name, text);
        const auto metrics = backend.measure(tensor, scheme, {});
        expect(metrics && difference(*metrics, *reference.measure(tensor, scheme, {})).isEmpty(), name, text);
        std::vector<float> values(x.size());
        expect(backend.dequantize(wanted, values.data(), {}).ok() && backend.packRows(wanted, {}).ok(), name, text);
    }
    expect(fallback().calls == 0, name, "fallback taken: " + backend.lastFallback());
}

} // namespace

int main()
{
    run("CPU shape", device(false),
        {"int4,group=32", "int8,asym,group=64", "nf4", "nf4,double", "fp8-e4m3", "q4_0", "q5_1", "q8_0", "iq4_nl",
         "nvfp4", "int4,group=32,clip=mse", "int4,tensor", "nf4,round=stochastic:3"});
    run("GPU shape", device(true), {"int4,asym,group=32", "nf4", "q8_0"});
    return failures ? 1 : 0;
}
