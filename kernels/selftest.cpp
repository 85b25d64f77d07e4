// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The self-test that decides whether a device may be used: every kernel, on values chosen to go wrong.
#include "kernels/openclbackend.h"

#include "core/quant/schemetable.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

namespace ql
{
namespace
{

constexpr int64_t kRows = 6;
constexpr int64_t kCols = 320; // whole blocks, and a tail for groups of 128
constexpr int64_t kTimedCols = 4096;
constexpr int64_t kTimedValues = int64_t(1) << 24;

/// Sums of uniform numbers: near enough to a bell, and the same everywhere.
class Noise
{
public:
    float next()
    {
        float sum = 0;
        for (int i = 0; i < 4; ++i) {
            m_state = m_state * 6364136223846793005u + 1442695040888963407u;
            sum += float(m_state >> 40) * 0x1p-24f - 0.5f;
        }
        return sum;
    }

private:
    uint64_t m_state = 1;
};

TensorView testTensor()
{
    Noise noise;
    std::vector<float> x(size_t(kRows * kCols));
    std::generate(x.begin(), x.end(), [&] { return noise.next(); });
    std::fill_n(x.begin() + kCols, kCols, 0.0f);
    for (int64_t i = 2 * kCols; i < 3 * kCols; ++i)
        x[size_t(i)] *= 1e-39f;
    x[size_t(3 * kCols + 7)] = std::numeric_limits<float>::quiet_NaN();
    x[size_t(3 * kCols + 200)] = std::numeric_limits<float>::infinity();
    x[size_t(4 * kCols + 100)] = 1e30f;
    return TensorView::fromFloats(std::move(x), kRows, kCols, "self-test");
}

bool near(double a, double b)
{
    return a == b || std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b));
}

template <class T>
bool sameBytes(const std::vector<T>& a, const std::vector<T>& b)
{
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Counts comparisons and keeps the first that failed.
class Comparison
{
public:
    void check(bool equal, const std::string& what)
    {
        ++m_cases;
        if (!equal && m_first.empty())
            m_first = what;
    }
    /// Both results, if both exist; a failure of either is a difference.
    template <class T>
    bool both(const Result<T>& a, const Result<T>& b, const std::string& what)
    {
        check(a.ok() && b.ok(), what + (a ? "" : ": " + a.error().message));
        return a.ok() && b.ok();
    }
    bool passed() const { return m_first.empty(); }
    std::string text() const
    {
        return passed() ? std::to_string(m_cases) + " cases, 0 differences" : "differs from the reference: " + m_first;
    }

private:
    int m_cases = 0;
    std::string m_first;
};

void compareStatistics(Backend& device, Backend& reference, const TensorView& tensor, Comparison& c)
{
    const auto got = device.statistics(tensor, {});
    const auto wanted = reference.statistics(tensor, {});
    if (c.both(got, wanted, "statistics")) {
        c.check(got->nans == wanted->nans && got->infs == wanted->infs && got->zeros == wanted->zeros &&
                    got->firstNonFinite == wanted->firstNonFinite && got->min == wanted->min && got->max == wanted->max,
                "counts and range");
        c.check(near(got->m2, wanted->m2) && near(got->m4, wanted->m4), "moments");
    }
    const auto gotBins = device.histogram(tensor, -1, 1, 256, {});
    const auto wantedBins = reference.histogram(tensor, -1, 1, 256, {});
    if (c.both(gotBins, wantedBins, "histogram"))
        c.check(gotBins->counts == wantedBins->counts && gotBins->nonFinite == wantedBins->nonFinite, "histogram");
}

void compareScheme(Backend& device, Backend& reference, const TensorView& tensor, const Scheme& scheme, Comparison& c)
{
    const std::string name = scheme.text();
    const auto parameters = reference.prepare(tensor, scheme, {});
    if (!c.both(parameters, device.prepare(tensor, scheme, {}), name + ", preparing"))
        return;
    const auto got = device.quantizeRows(tensor, *parameters, 0, kRows, {});
    const auto wanted = reference.quantizeRows(tensor, *parameters, 0, kRows, {});
    if (c.both(got, wanted, name + ", quantizing")) {
        c.check(got->codes == wanted->codes, name + ", codes");
        c.check(sameBytes(got->scales, wanted->scales) && got->zeros == wanted->zeros, name + ", scales");
        c.check(got->blocks == wanted->blocks, name + ", packed blocks");
        std::vector<float> a(size_t(tensor.count())), b(size_t(tensor.count()));
        const bool done =
            device.dequantize(*wanted, a.data(), {}).ok() && reference.dequantize(*wanted, b.data(), {}).ok();
        c.check(done && sameBytes(a, b), name + ", dequantized values");
    }
    const auto gotMetrics = device.measure(tensor, scheme, {});
    const auto wantedMetrics = reference.measure(tensor, scheme, {});
    if (c.both(gotMetrics, wantedMetrics, name + ", measuring")) {
        c.check(near(gotMetrics->sumSquaredError, wantedMetrics->sumSquaredError), name + ", squared error");
        c.check(gotMetrics->occupancy == wantedMetrics->occupancy && gotMetrics->clipped == wantedMetrics->clipped,
                name + ", occupancy");
    }
}

void compareSweep(Backend& device, Backend& reference, const TensorView& tensor, const Scheme& scheme, Comparison& c)
{
    const auto got = device.clipSweep(tensor, scheme, {});
    const auto wanted = reference.clipSweep(tensor, scheme, {});
    if (c.both(got, wanted, "clip sweep"))
        c.check(got->best == wanted->best && near(got->mse[got->best], wanted->mse[wanted->best]), "clip sweep");
}

double timeInt4(Backend& device)
{
    Noise noise;
    std::vector<float> x(size_t(kTimedValues), 0.0f);
    // Random numbers for one row are enough: timing does not look at them.
    for (int64_t i = 0; i < kTimedValues; ++i)
        x[size_t(i)] = i < kTimedCols ? noise.next() : x[size_t(i - kTimedCols)];
    const auto tensor = TensorView::fromFloats(std::move(x), kTimedValues / kTimedCols, kTimedCols, "speed");
    const Scheme scheme = Scheme::defaultsFor(Format::Int4);
    double best = 0;
    for (int run = 0; run < 3; ++run) {
        const auto start = std::chrono::steady_clock::now();
        if (!device.measure(tensor, scheme, {}))
            return 0;
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        best = std::max(best, double(tensor.byteSize()) / seconds.count());
    }
    return best;
}

} // namespace

SelfTestResult selfTest(Backend& device, Backend& reference)
{
    auto* openCl = dynamic_cast<OpenClBackend*>(&device);
    // Small tensors, and those on which a kernel fails, would otherwise be compared with the fallback itself.
    const int64_t usual = openCl ? openCl->setSmallestTensor(0) : 0;
    const TensorView tensor = testTensor();
    Comparison c;
    compareStatistics(device, reference, tensor, c);
    for (const char* text : {"int4", "int8,asym", "nf4", "mxfp4", "fp8-e4m3", "q4_0", "q8_0"}) {
        const auto scheme = Scheme::parse(text);
        if (c.passed() && scheme)
            compareScheme(device, reference, tensor, *scheme, c);
    }
    if (c.passed())
        compareSweep(device, reference, tensor, Scheme::defaultsFor(Format::Int4), c);
    if (openCl) {
        c.check(openCl->lastFallback().empty(), openCl->lastFallback());
        openCl->setSmallestTensor(usual);
    }
    SelfTestResult result{c.passed(), c.text(), 0};
    if (result.passed)
        result.bytesPerSecond = timeInt4(device);
    return result;
}

} // namespace ql
