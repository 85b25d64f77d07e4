// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/benchmark.h"

#include "core/base/format.h"
#include "core/compute/cpubackend.h"
#include "core/compute/simd/kernels.h"
#include "core/tensor/floats.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>

namespace ql {
namespace {

using Pass = BenchPass;

double secondsNow()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values)
{
    std::nth_element(values.begin(), values.begin() + int64_t(values.size() / 2), values.end());
    return values[values.size() / 2];
}

/// Normal values by summing uniform ones: quick, the same everywhere, and close enough for timing.
std::vector<float> benchValues(int64_t count)
{
    std::vector<float> x(static_cast<size_t>(count));
    uint64_t state = 1;
    for (float& v : x) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const auto sum = int64_t((state & 0xffff) + (state >> 16 & 0xffff) + (state >> 32 & 0xffff) + (state >> 48));
        v = float(sum - 131070) * (0.02f / 37837.0f);
    }
    return x;
}

constexpr int64_t kColumns = 4096;

TensorView storedAs(DType type, const std::vector<float>& x)
{
    std::vector<std::byte> bytes(x.size() * (type == DType::F32 ? 4 : 2));
    if (type == DType::F32) {
        std::memcpy(bytes.data(), x.data(), bytes.size());
    } else {
        std::vector<uint16_t> half(x.size());
        type == DType::F16 ? floatToHalf(x, half) : floatToBf16(x, half);
        std::memcpy(bytes.data(), half.data(), bytes.size());
    }
    const int64_t rows = int64_t(x.size()) / kColumns;
    return TensorView::create(memorySource("bench", std::move(bytes)), 0, type, {rows, kColumns}).value();
}

class Bench
{
public:
    Bench(Backend& cpu, int64_t values, int repeats, const JobControl& job)
        : m_cpu(cpu), m_repeats(repeats), m_job(job), m_values(benchValues(values)),
          m_f32(storedAs(DType::F32, m_values)), m_f16(storedAs(DType::F16, m_values)),
          m_bf16(storedAs(DType::BF16, m_values))
    {
    }

    Status run(Backend* openCl, std::string_view part);
    std::vector<BenchFigure> figures;

private:
    using Timing = BenchTiming;
    Result<Timing> interleave(const Pass& first, const Pass& second) const
    {
        return interleavePasses(first, second, m_repeats, m_job.stop);
    }
    double gigabytes() const { return double(m_values.size()) * sizeof(float) / 1e9; }

    /// Sum of the f32 values on all cores.
    Status read() const;
    Status againstR(const char* name, double goal, const Pass& pass);
    Status against(const char* name, const char* what, double goal, const Pass& baseline, const Pass& pass);
    Pass statistics(Backend& backend, const TensorView& tensor) const;
    Pass measure(Backend& backend, const TensorView& tensor, const char* scheme) const;
    Status streams();
    Status sixteenBit();
    Status ggml();
    Status device(Backend& openCl);

    Backend& m_cpu;
    int m_repeats;
    const JobControl& m_job;
    std::vector<float> m_values;
    TensorView m_f32, m_f16, m_bf16;
};

Status Bench::read() const
{
    constexpr int64_t kPart = 256 * 1024;
    const int64_t parts = int64_t(m_values.size()) / kPart;
    std::vector<double> sums(static_cast<size_t>(parts));
    m_cpu.parallelFor(
        parts, [&](int64_t i) { sums[size_t(i)] = simd::kernels().sum(m_values.data() + i * kPart, kPart); }, m_job.stop);
    // A sum that nobody looks at would not be computed.
    if (std::any_of(sums.begin(), sums.end(), [](double s) { return std::isnan(s); }))
        return Error{ErrorCode::Internal, "the benchmark's own data is not a number", {}};
    return {};
}

Status Bench::againstR(const char* name, double goal, const Pass& pass)
{
    QL_TRY(const Timing t, interleave([this] { return read(); }, pass));
    figures.push_back({name, gigabytes() / t.second, "GB/s", t.ratio, "R", goal, false});
    return {};
}

Status Bench::against(const char* name, const char* what, double goal, const Pass& baseline, const Pass& pass)
{
    QL_TRY(const Timing t, interleave(baseline, pass));
    figures.push_back({name, gigabytes() / t.second, "GB/s", t.ratio, what, goal, false});
    return {};
}

Pass Bench::statistics(Backend& backend, const TensorView& tensor) const
{
    return [&backend, &tensor, this]() -> Status {
        QL_TRY(const TensorStats stats, backend.statistics(tensor, {m_job.stop, {}}));
        static_cast<void>(stats);
        return {};
    };
}

Pass Bench::measure(Backend& backend, const TensorView& tensor, const char* text) const
{
    return [&backend, &tensor, scheme = Scheme::parse(text), this]() -> Status {
        if (!scheme)
            return scheme.error();
        QL_TRY(const ErrorMetrics metrics, backend.measure(tensor, *scheme, {m_job.stop, {}}));
        static_cast<void>(metrics);
        return {};
    };
}

Status Bench::streams()
{
    QL_TRY(const Timing r, interleave([this] { return read(); }, [this] { return read(); }));
    figures.push_back({"read bandwidth R", gigabytes() / r.second, "GB/s", 0, "", 0, false});
    const bool wide = simd::kernels().isa == simd::Isa::Avx512;
    QL_CHECK(againstR("min, max and moments in one pass", 0.85, statistics(m_cpu, m_f32)));
    QL_CHECK(againstR("INT4 group 128, error without writing", 0.85, measure(m_cpu, m_f32, "int4")));
    QL_CHECK(againstR("INT4 asymmetric group 128, error", 0, measure(m_cpu, m_f32, "int4,asym")));
    QL_CHECK(againstR("INT8 per channel, error", 0, measure(m_cpu, m_f32, "int8,channel")));
    QL_CHECK(againstR("NF4 block 64, error without writing", wide ? 0.55 : 0.27, measure(m_cpu, m_f32, "nf4")));
    QL_CHECK(againstR("histogram of 2048 bins", 0.45, [this]() -> Status {
        QL_TRY(const Histogram h, m_cpu.histogram(m_f32, -0.08f, 0.08f, 2048, {m_job.stop, {}}));
        static_cast<void>(h);
        return {};
    }));
    return againstR("clip sweep of 64 candidates, INT4 group 128", 0.05, [this]() -> Status {
        QL_TRY(const ClipSweep sweep, m_cpu.clipSweep(m_f32, *Scheme::parse("int4"), {m_job.stop, {}}));
        static_cast<void>(sweep);
        return {};
    });
}

Status Bench::sixteenBit()
{
    QL_CHECK(against("moments of F16 read in place", "f32", 0.8, statistics(m_cpu, m_f32), statistics(m_cpu, m_f16)));
    QL_CHECK(against("moments of BF16 read in place", "f32", 0.8, statistics(m_cpu, m_f32), statistics(m_cpu, m_bf16)));
    QL_CHECK(against("INT4 group 128 of F16", "f32", 0.8, measure(m_cpu, m_f32, "int4"), measure(m_cpu, m_f16, "int4")));
    QL_CHECK(against("INT4 group 128 of BF16", "f32", 0.8, measure(m_cpu, m_f32, "int4"), measure(m_cpu, m_bf16, "int4")));
    // The first call counts the 65,536 patterns; what follows needs no pass over the tensor.
    const Pass sweep = [this]() -> Status {
        QL_TRY(const ClipSweep result, m_cpu.clipSweep(m_bf16, *Scheme::parse("int4,tensor"), {m_job.stop, {}}));
        static_cast<void>(result);
        return {};
    };
    QL_TRY(const Timing t, interleave(measure(m_cpu, m_bf16, "int8,tensor"), sweep));
    figures.push_back({"exact error of a per-tensor scheme, BF16, patterns counted", t.first * 1e3, "ms", 0, "", 5, true});
    figures.push_back({"exact clip sweep of a per-tensor scheme, BF16", t.second * 1e3, "ms", 0, "", 5, true});
    return {};
}

Status Bench::ggml()
{
    CpuBackend reference(std::make_shared<ThreadPool>(), false);
    auto importance = std::make_shared<ColumnImportance>();
    importance->cols = kColumns;
    for (int64_t i = 0; i < kColumns; ++i)
        importance->values.push_back(float(1 + i % 17));
    const auto quantize = [&](Backend& backend, const TensorView& tensor, const char* text) -> Pass {
        return [&backend, &tensor, scheme = *Scheme::parse(text), this]() -> Status {
            const JobControl job{m_job.stop, {}};
            QL_TRY(const TensorParameters parameters, backend.prepare(tensor, scheme, job));
            QL_TRY(const QuantizedTensor q, backend.quantizeRows(tensor, parameters, 0, tensor.rows(), job));
            static_cast<void>(q);
            return {};
        };
    };
    struct Row {
        const char* scheme;
        const char* name;
        double goal;
        bool slow; ///< the scalar reference: a part of the values is enough
    };
    for (const Row& row :
         {Row{"q8_0", "Q8_0 to bytes", 5, false}, Row{"q4_0", "Q4_0 to bytes", 2.3, false},
          Row{"iq4_nl", "IQ4_NL to bytes", 5, true}, Row{"iq4_xs", "IQ4_XS to bytes", 5, true},
          Row{"q2_k", "Q2_K to bytes", 5, true}, Row{"q3_k", "Q3_K to bytes", 5, true},
          Row{"q4_k", "Q4_K to bytes", 5, true}, Row{"q5_k", "Q5_K to bytes", 5, true},
          Row{"q6_k", "Q6_K to bytes", 5, true}, Row{"q4_k,imatrix", "Q4_K by importance to bytes", 5, true},
          Row{"int4", "INT4 group 128 to codes", 0, false}, Row{"nf4", "NF4 block 64 to codes", 0, false}}) {
        const size_t part = std::min<size_t>(m_values.size(), row.slow ? 1 << 20 : 4 << 20);
        const TensorView small =
            storedAs(DType::F32, {m_values.begin(), m_values.begin() + int64_t(part)}).weighted(importance);
        QL_TRY(const Timing t,
               interleave(quantize(reference, small, row.scheme), quantize(m_cpu, small, row.scheme)));
        figures.push_back({row.name, double(part) * sizeof(float) / 1e9 / t.second, "GB/s", t.ratio, "scalar", row.goal,
                           false});
    }
    return {};
}

Status Bench::device(Backend& openCl)
{
    QL_CHECK(against("OpenCL: moments", "C++", 0.85, statistics(m_cpu, m_f32), statistics(openCl, m_f32)));
    QL_CHECK(against("OpenCL: INT4 group 128", "C++", 0.85, measure(m_cpu, m_f32, "int4"),
                     measure(openCl, m_f32, "int4")));
    return against("OpenCL: NF4 block 64", "C++", 0.85, measure(m_cpu, m_f32, "nf4"), measure(openCl, m_f32, "nf4"));
}

Status Bench::run(Backend* openCl, std::string_view part)
{
    const auto wanted = [part](std::string_view name) { return part.empty() || part == name; };
    QL_CHECK(wanted("streams") ? streams() : Status());
    QL_CHECK(wanted("halves") ? sixteenBit() : Status());
    QL_CHECK(wanted("ggml") ? ggml() : Status());
    return openCl && wanted("opencl") ? device(*openCl) : Status();
}

} // namespace

Result<BenchTiming> interleavePasses(const BenchPass& first, const BenchPass& second, int repeats,
                                     const std::stop_token& stop)
{
    std::vector<double> a;
    std::vector<double> b;
    std::vector<double> ratios;
    for (int round = -1; round < repeats; ++round) {
        if (stop.stop_requested())
            return cancelledError();
        const double start = secondsNow();
        QL_CHECK(first());
        const double middle = secondsNow();
        QL_CHECK(second());
        const double end = secondsNow();
        if (round < 0)
            continue;
        a.push_back(middle - start);
        b.push_back(end - middle);
        ratios.push_back(a.back() / b.back());
    }
    return BenchTiming{median(a), median(b), median(ratios)};
}

Result<std::vector<BenchFigure>> measureFigures(Backend& cpu, Backend* openCl, int64_t values, int repeats,
                                                const JobControl& job, std::string_view part)
{
    constexpr int64_t kMebi = 1 << 20;
    if (values < kMebi || values % kMebi != 0 || repeats < 1)
        return Error{ErrorCode::InvalidArgument, "the benchmark runs on whole multiples of 1 Mi values", {}};
    Bench bench(cpu, values, repeats, job);
    QL_CHECK(bench.run(openCl, part));
    return std::move(bench.figures);
}

std::string figuresAsText(const std::vector<BenchFigure>& figures)
{
    std::string text;
    const auto pad = [](std::string cell, size_t width) {
        cell.resize(std::max(width, cell.size()), ' ');
        return cell;
    };
    for (const BenchFigure& f : figures) {
        text += pad(f.name, 60) + pad(formatSignificant(f.value) + " " + f.unit, 16);
        text += pad(f.ratio > 0 ? formatSignificant(f.ratio) + " " + f.ratioTo : "", 14);
        if (f.goal > 0)
            text += pad((f.atMost ? "goal <= " : "goal >= ") + formatSignificant(f.goal), 16) + (f.met() ? "pass" : "miss");
        text.erase(text.find_last_not_of(' ') + 1);
        text += '\n';
    }
    return text;
}

std::string figuresAsJson(const std::vector<BenchFigure>& figures)
{
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const BenchFigure& f : figures) {
        list.push_back({{"name", f.name}, {"value", f.value}, {"unit", f.unit}, {"ratio", f.ratio},
                        {"ratio_to", f.ratioTo}, {"goal", f.goal}, {"met", f.met()}});
    }
    return nlohmann::ordered_json{{"figures", list}}.dump();
}

} // namespace ql
