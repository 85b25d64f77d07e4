// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-bench: the speed figures as a table (--figures, --json), or every vector kernel under Google Benchmark.
#include "core/compute/benchmark.h"
#include "core/compute/cpubackend.h"
#include "core/compute/streams.h"
#include "core/quant/schemetable.h"
#include "support/testtensors.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>

using namespace ql;

namespace {

constexpr int64_t kRows = 1024;
constexpr int64_t kCols = 4096;

const TensorView& benchTensor()
{
    static const TensorView tensor = TensorView::fromFloats(test::normalValues(kRows * kCols, 1, 0.02), kRows, kCols);
    return tensor;
}

CpuBackend& backend()
{
    static CpuBackend cpu(std::make_shared<ThreadPool>());
    return cpu;
}

void setRate(benchmark::State& state)
{
    state.SetBytesProcessed(state.iterations() * kRows * kCols * int64_t(sizeof(float)));
}

void benchStatistics(benchmark::State& state)
{
    for (auto _ : state)
        benchmark::DoNotOptimize(backend().statistics(benchTensor(), {}).ok());
    setRate(state);
}

void benchHistogram(benchmark::State& state)
{
    for (auto _ : state)
        benchmark::DoNotOptimize(backend().histogram(benchTensor(), -0.1f, 0.1f, int(state.range(0)), {}).ok());
    setRate(state);
}

void benchMeasure(benchmark::State& state, const Scheme& scheme)
{
    for (auto _ : state)
        benchmark::DoNotOptimize(backend().measure(benchTensor(), scheme, {}).ok());
    setRate(state);
}

void benchQuantize(benchmark::State& state, const Scheme& scheme)
{
    const auto parameters = backend().prepare(benchTensor(), scheme, {});
    for (auto _ : state)
        benchmark::DoNotOptimize(backend().quantizeRows(benchTensor(), *parameters, 0, kRows, {}).ok());
    setRate(state);
}

void registerAll()
{
    benchmark::RegisterBenchmark("statistics", benchStatistics)->UseRealTime();
    benchmark::RegisterBenchmark("histogram", benchHistogram)->Arg(2048)->Arg(4096)->UseRealTime();
    for (const FormatTraits& row : schemeTable()) {
        const Scheme scheme = Scheme::defaultsFor(row.format);
        const auto name = [&](const char* what) { return what + std::string(row.name); };
        benchmark::RegisterBenchmark(name("measure/").c_str(), benchMeasure, scheme)->UseRealTime();
        benchmark::RegisterBenchmark(name("quantize/").c_str(), benchQuantize, scheme)->UseRealTime();
    }
}

int printFigures(bool json, int64_t mebi)
{
    const auto figures = measureFigures(backend(), nullptr, mebi << 20, 7, {});
    if (!figures) {
        std::fprintf(stderr, "%s\n", figures.error().text().c_str());
        return int(figures.error().kind());
    }
    std::fputs((json ? figuresAsJson(*figures) + "\n" : figuresAsText(*figures)).c_str(), stdout);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    for (int i = 1; i < argc; ++i) {
        const bool json = std::strcmp(argv[i], "--json") == 0;
        if (json || std::strcmp(argv[i], "--figures") == 0) {
            const long mebi = i + 1 < argc ? std::strtol(argv[i + 1], nullptr, 10) : 64;
            return printFigures(json, mebi > 0 ? mebi : 64);
        }
    }
    registerAll();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
