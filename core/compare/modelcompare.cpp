// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compare/modelcompare.h"

#include "core/base/utf8.h"
#include "core/compute/tiles.h"

#include <algorithm>
#include <cmath>
#include <mutex>

namespace ql {
namespace {

constexpr int kErrorBins = 2048;

/// One model's part of a pair, read in the order that the arithmetic wants.
class PairSide
{
public:
    static Result<PairSide> open(const Model& model, int tensor, int expert, int experts, const StoredOrder& order,
                                 bool rowsMatter)
    {
        PairSide side;
        QL_TRY(side.m_view, model.view(tensor));
        side.m_order = order;
        // The entries of a vector that belongs to a matrix are ordered as the matrix's rows.
        const bool vector = side.m_view.shape().size() < 2 && rowsMatter;
        side.m_rows = vector ? side.m_view.cols() : side.m_view.rows();
        side.m_width = vector ? 1 : side.m_view.cols();
        if (expert >= 0) {
            side.m_rows /= std::max(1, experts);
            side.m_firstRow = expert * side.m_rows;
        }
        return side;
    }

    const TensorView& view() const { return m_view; }
    int64_t rows() const { return m_rows; }
    int64_t width() const { return m_width; }
    int64_t block() const { return rowBlock(m_order.order, m_order.heads, m_rows); }

    /// Values [first, first + count): within one block of rows where the order matters, `scratch` holding as many.
    Status read(int64_t first, int64_t count, float* out, std::vector<float>& scratch) const
    {
        if (m_order.order == RowOrder::AsStored) {
            QL_CHECK(m_view.readFlat(m_firstRow * m_width + first, count, out));
        } else {
            const int64_t row = first / m_width, rows = count / m_width;
            const int64_t base = storedAt(row - row % block());
            scratch.resize(size_t(block() * m_width));
            QL_CHECK(m_view.readFlat((m_firstRow + base) * m_width, block() * m_width, scratch.data()));
            for (int64_t r = 0; r < rows; ++r)
                std::copy_n(scratch.data() + (storedAt(row + r) - base) * m_width, m_width, out + r * m_width);
        }
        if (m_order.offset != 0) {
            for (int64_t i = 0; i < count; ++i)
                out[i] += m_order.offset;
        }
        return {};
    }

private:
    int64_t storedAt(int64_t row) const { return storedRow(m_order.order, m_order.heads, m_rows, row); }

    TensorView m_view;
    StoredOrder m_order;
    int64_t m_rows = 0, m_width = 0, m_firstRow = 0;
};

struct Sums {
    ErrorMetrics metrics;
    uint64_t unlike = 0;

    void add(const float* a, const float* b, int64_t count)
    {
        ErrorMetrics& m = metrics;
        m.count += uint64_t(count);
        for (int64_t i = 0; i < count; ++i) {
            if (!std::isfinite(a[i]) || !std::isfinite(b[i])) {
                unlike += !(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])));
                continue;
            }
            const double x = double(a[i]), hat = double(b[i]), error = hat - x;
            ++m.finite;
            m.sumSquare += x * x;
            m.sumHatSquare += hat * hat;
            m.sumDot += x * hat;
            m.sumSquaredError += error * error;
            m.sumAbsError += std::fabs(error);
            m.sumError += error;
            m.maxAbsError = std::max(m.maxAbsError, std::fabs(error));
        }
    }
};

/// Both sides of a pair, with what stands against comparing them.
struct OpenPair {
    PairSide a, b;
    TensorDifference difference;

    int64_t values() const { return a.rows() * a.width(); }
    int64_t block() const { return std::max(a.block(), b.block()); }
};

std::string undone(const TensorPair& pair)
{
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
    if (pair.orderA.order != pair.orderB.order)
        add("the files order its rows differently");
    if (pair.orderA.offset != pair.orderB.offset)
        add("one file stores it less 1");
    if (pair.expertA >= 0 || pair.expertB >= 0)
        add("expert " + std::to_string(std::max(pair.expertA, pair.expertB)) + " of a stack");
    return text;
}

void describe(const TensorInfo& info, int experts, std::string& type, int64_t& rows, int64_t& cols)
{
    type = info.typeLabel();
    rows = info.rows() / std::max(1, experts);
    cols = info.cols();
}

TensorDifference describePair(const Model& a, const Model& b, const TensorPair& pair)
{
    TensorDifference difference;
    difference.pair = pair;
    if (pair.a >= 0) {
        const TensorInfo& info = a.tensors()[size_t(pair.a)];
        difference.name = info.name;
        describe(info, pair.expertA >= 0 ? pair.experts : 1, difference.typeA, difference.rowsA, difference.colsA);
    }
    if (pair.b >= 0) {
        const TensorInfo& info = b.tensors()[size_t(pair.b)];
        difference.nameB = info.name;
        describe(info, pair.expertB >= 0 ? pair.experts : 1, difference.typeB, difference.rowsB, difference.colsB);
    }
    if (pair.a < 0)
        difference.name = difference.nameB;
    if (pair.a < 0 || pair.b < 0)
        difference.note = pair.a < 0 ? "only in B" : "only in A";
    else if (difference.rowsA != difference.rowsB || difference.colsA != difference.colsB)
        difference.note = "shapes differ";
    else
        difference.note = undone(pair);
    return difference;
}

/// Nothing where the two cannot be compared; the difference then says why.
Result<std::optional<OpenPair>> openPair(const Model& a, const Model& b, const TensorPair& pair,
                                         TensorDifference& difference)
{
    difference = describePair(a, b, pair);
    if (pair.a < 0 || pair.b < 0 || difference.rowsA != difference.rowsB || difference.colsA != difference.colsB)
        return std::optional<OpenPair>();
    for (const auto& [model, tensor] : {std::pair(&a, pair.a), std::pair(&b, pair.b)}) {
        const TensorInfo& info = model->tensors()[size_t(tensor)];
        if (!dtypeInfo(info.dtype).decodable) {
            difference.note = "values of type " + info.typeLabel() + " cannot be decoded";
            return std::optional<OpenPair>();
        }
    }
    const bool rowsMatter = pair.orderA.order != RowOrder::AsStored || pair.orderB.order != RowOrder::AsStored;
    QL_TRY(PairSide sideA, PairSide::open(a, pair.a, pair.expertA, pair.experts, pair.orderA, rowsMatter));
    QL_TRY(PairSide sideB, PairSide::open(b, pair.b, pair.expertB, pair.experts, pair.orderB, rowsMatter));
    return std::optional(OpenPair{std::move(sideA), std::move(sideB), difference});
}

std::vector<ValueRange> tasksOf(const OpenPair& pair)
{
    return cutIntoTasks(pair.values(), pair.block() > 1 ? pair.block() * pair.a.width() : 1);
}

/// Calls visit(task, a, b, count) for every tile, on all threads; tiles of one task come in order on one thread.
Status forEachTile(const OpenPair& pair, ThreadPool& pool, const JobControl& job,
                   const std::function<void(size_t task, const float* a, const float* b, int64_t count)>& visit)
{
    const bool ordered = pair.block() > 1;
    const std::vector<ValueRange> tasks = tasksOf(pair);
    ByteProgress progress(pair.a.view(), job);
    const auto work = [&](int64_t task) -> Status {
        const ValueRange range = tasks[size_t(task)];
        const int64_t step = ordered ? pair.block() * pair.a.width() : kTileValues;
        std::vector<float> a(size_t(std::min(step, range.count))), b(a.size()), scratch;
        for (int64_t at = 0; at < range.count; at += step) {
            if (job.cancelled())
                return cancelledError();
            const int64_t count = std::min(step, range.count - at);
            QL_CHECK(pair.a.read(range.first + at, count, a.data(), scratch));
            QL_CHECK(pair.b.read(range.first + at, count, b.data(), scratch));
            visit(size_t(task), a.data(), b.data(), count);
            progress.add(count);
        }
        return {};
    };
    const Status done = runTasks(pool, int64_t(tasks.size()), job, work);
    pair.a.view().release();
    pair.b.view().release();
    if (!done.ok() && done.error().code != ErrorCode::Cancelled) {
        Error error = done.error();
        error.where += (error.where.empty() ? "tensor " : ": tensor ") + printable(pair.difference.name);
        return error;
    }
    return done;
}

Result<Sums> sumsOf(const OpenPair& pair, ThreadPool& pool, const JobControl& job)
{
    std::vector<Sums> parts(tasksOf(pair).size());
    QL_CHECK(forEachTile(pair, pool, job, [&](size_t task, const float* a, const float* b, int64_t count) {
        parts[task].add(a, b, count);
    }));
    Sums all;
    for (const Sums& part : parts) {
        all.metrics.merge(part.metrics);
        all.unlike += part.unlike;
    }
    return all;
}

uint64_t bytesOf(const Model& model, int tensor, int expert, int experts)
{
    if (tensor < 0)
        return 0;
    return model.tensors()[size_t(tensor)].bytes / uint64_t(expert >= 0 ? std::max(1, experts) : 1);
}

void setSize(ErrorMetrics& metrics, const Model& b, const TensorPair& pair)
{
    metrics.bytes = bytesOf(b, pair.b, pair.expertB, pair.experts);
    metrics.bitsPerWeight = metrics.count ? 8.0 * double(metrics.bytes) / double(metrics.count) : 0;
}

void count(const TensorDifference& difference, ModelDifference& all)
{
    if (difference.metrics) {
        all.total.merge(*difference.metrics);
        ++all.compared;
        all.equal += difference.equal();
    } else {
        all.onlyA += difference.pair.b < 0;
        all.onlyB += difference.pair.a < 0;
        all.notComparable += difference.pair.a >= 0 && difference.pair.b >= 0;
    }
}

Histogram emptyHistogram(double lo, double hi, size_t bins)
{
    Histogram histogram;
    histogram.lo = lo;
    histogram.hi = hi;
    histogram.counts.resize(bins);
    return histogram;
}

} // namespace

Result<TensorDifference> compareTensors(const Model& a, const Model& b, const TensorPair& pair, ThreadPool& pool,
                                        const JobControl& job)
{
    TensorDifference difference;
    QL_TRY(const auto open, openPair(a, b, pair, difference));
    if (!open)
        return difference;
    QL_TRY(Sums sums, sumsOf(*open, pool, job));
    setSize(sums.metrics, b, pair);
    difference.metrics = std::move(sums.metrics);
    difference.unlike = sums.unlike;
    return difference;
}

Result<ModelDifference> compareModels(const Model& a, const Model& b, std::span<const TensorPair> pairs, ThreadPool& pool,
                                      const JobControl& job,
                                      const std::function<void(const TensorDifference&)>& onTensor)
{
    ModelDifference all;
    const auto bytes = [&](const TensorPair& pair) {
        return bytesOf(a, pair.a, pair.expertA, pair.experts) + bytesOf(b, pair.b, pair.expertB, pair.experts);
    };
    uint64_t total = 0, done = 0;
    for (const TensorPair& pair : pairs)
        total += bytes(pair);
    for (const TensorPair& pair : pairs) {
        if (job.cancelled())
            return cancelledError();
        const uint64_t own = bytes(pair);
        const JobControl inner{job.stop, [&](uint64_t part, uint64_t whole) {
            job.report(done + uint64_t(double(own) * double(part) / double(std::max<uint64_t>(1, whole))), total);
        }};
        QL_TRY(TensorDifference difference, compareTensors(a, b, pair, pool, inner));
        done += own;
        job.report(done, total);
        count(difference, all);
        if (onTensor)
            onTensor(difference);
        all.tensors.push_back(std::move(difference));
    }
    QL_CHECK(a.checkUnchanged());
    QL_CHECK(b.checkUnchanged());
    return all;
}

Result<Shared<Quantization>> analyseDifference(const Model& a, const Model& b, const TensorPair& pair,
                                               const Distribution& whole, ThreadPool& pool, const JobControl& job)
{
    TensorDifference difference;
    QL_TRY(const auto open, openPair(a, b, pair, difference));
    if (!open)
        return Error{ErrorCode::SizeMismatch, "cannot be compared: " + difference.note,
                     "tensor " + printable(difference.name)};
    QL_TRY(Sums sums, sumsOf(*open, pool, job));
    auto result = std::make_shared<Quantization>();
    result->metrics = std::move(sums.metrics);
    setSize(result->metrics, b, pair);
    const double worst = result->metrics.maxAbsError;
    result->error = emptyHistogram(-worst, worst, kErrorBins);
    result->reconstructed = emptyHistogram(whole.histogram.lo, whole.histogram.hi, whole.histogram.counts.size());
    std::mutex mutex;
    QL_CHECK(forEachTile(*open, pool, job, [&](size_t, const float* x, const float* hat, int64_t count) {
        std::vector<float> errors(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i)
            errors[size_t(i)] = hat[i] - x[i];
        Histogram error = emptyHistogram(result->error.lo, result->error.hi, result->error.counts.size());
        Histogram values = emptyHistogram(result->reconstructed.lo, result->reconstructed.hi,
                                          result->reconstructed.counts.size());
        error.add(errors.data(), count);
        values.add(hat, count);
        const std::lock_guard lock(mutex);
        result->error.merge(error);
        result->reconstructed.merge(values);
    }));
    result->provenance.tensor = difference.name;
    result->provenance.modelFingerprint = a.fingerprint();
    result->provenance.sampled = result->metrics.count;
    return Shared<Quantization>(std::move(result));
}

} // namespace ql
