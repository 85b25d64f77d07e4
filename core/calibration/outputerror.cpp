// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/outputerror.h"

#include "core/calibration/outputmeter.h"
#include "core/compute/slabs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace ql {

namespace {

/// Rows of a weight that are measured: all of them, or an evenly spread sample held in memory.
struct MeasuredRows {
    TensorView view;
    int64_t allRows = 0;
    bool sampled = false;

    /// Row of the whole weight that a measured row was.
    int64_t origin(int64_t row) const { return sampled ? row * allRows / view.rows() : row; }
};

Result<MeasuredRows> measuredRows(const TensorView& weight, int64_t most)
{
    const int64_t rows = weight.rows();
    if (most <= 0 || most >= rows)
        return MeasuredRows{weight, rows, false};
    QL_TRY(TensorView sample, weight.gatherSpread(most));
    return MeasuredRows{std::move(sample), rows, true};
}

/// Parameters of the whole weight, for the rows that are measured. Scales that are quantized together depend on which
/// rows there are: a sample is then a matrix of its own.
Result<TensorParameters> parametersFor(Backend& backend, const TensorView& weight, const MeasuredRows& rows,
                                       const Scheme& scheme, const JobControl& job)
{
    const JobControl quiet{job.stop, {}};
    if (!rows.sampled || scheme.doubleQuant)
        return backend.prepare(rows.view, scheme, quiet);
    QL_TRY(TensorParameters parameters, backend.prepare(weight, scheme, quiet));
    parameters.rows = rows.view.rows();
    if (parameters.importance)
        parameters.importance = rows.view.importance();
    return parameters;
}

/// Output errors of the measured rows under one grid after another.
class RowsMeter
{
public:
    RowsMeter(Backend& backend, const OutputMeter& meter, const MeasuredRows& rows)
        : m_backend(backend), m_meter(meter), m_rows(rows)
    {
    }

    /// `reference` null: the error alone.
    Status measure(const TensorParameters& parameters, const JobControl& job, double& error, double* reference)
    {
        error = 0;
        return forEachSlab(m_backend, m_rows.view, parameters, 0, m_rows.view.rows(), job,
                           [&](const Slab& slab) -> Status {
                               m_weights = ConstRowMatrixMap(slab.values, slab.rows, slab.cols);
                               m_reconstructed = ConstRowMatrixMap(slab.reconstructed, slab.rows, slab.cols);
                               const auto finite = m_weights.array().isFinite();
                               if (!finite.all()) {
                                   m_reconstructed = finite.select(m_reconstructed, 0.0f).eval();
                                   m_weights = finite.select(m_weights, 0.0f).eval();
                               }
                               return add(slab, job, error, reference);
                           });
    }

private:
    /// Row by row where rows belong to different experts and are not neighbours.
    Status add(const Slab& slab, const JobControl& job, double& error, double* reference)
    {
        const bool scattered = m_rows.sampled && m_meter.basis() == OutputError::Basis::SecondMoments;
        const int64_t step = scattered ? 1 : slab.rows;
        for (int64_t row = 0; row < slab.rows; row += step) {
            const int64_t origin = m_rows.origin(slab.firstRow + row);
            const RowMatrix weights = m_weights.middleRows(row, step);
            const RowMatrix reconstructed = m_reconstructed.middleRows(row, step);
            QL_TRY(const double lost, m_meter.error(weights, reconstructed, origin, m_rows.allRows, job));
            error += lost;
            if (reference) {
                QL_TRY(const double power, m_meter.power(weights, origin, m_rows.allRows, job));
                *reference += power;
            }
        }
        return {};
    }

    Backend& m_backend;
    const OutputMeter& m_meter;
    const MeasuredRows& m_rows;
    RowMatrix m_weights, m_reconstructed;
};

Status checkInput(const TensorView& weight, const InputStatistics* input)
{
    if (!input)
        return Error{ErrorCode::CalibrationInvalid, "the calibration knows nothing of what enters this weight", {}};
    if (input->channels != weight.cols())
        return Error{ErrorCode::CalibrationMismatch,
                     "the calibration has " + std::to_string(input->channels) + " channels, the weight takes " +
                         std::to_string(weight.cols()),
                     input->tensors.empty() ? std::string() : "input of " + input->tensors.front()};
    return {};
}

} // namespace

std::string_view basisName(OutputError::Basis basis)
{
    constexpr std::array<std::string_view, 3> names{"gram", "sample", "second moments"};
    return names[size_t(basis)];
}

double OutputError::relative() const
{
    return error > 0 ? std::sqrt(error / reference) : 0;
}

double OutputError::sqnrDb() const
{
    return error > 0 ? 10 * std::log10(reference / error) : std::numeric_limits<double>::infinity();
}

Result<OutputError> measureOutputError(Backend& backend, const OutputErrorRequest& request, ThreadPool& pool,
                                       const JobControl& job)
{
    QL_CHECK(checkInput(request.weight, request.input));
    QL_TRY(const OutputMeter meter, OutputMeter::create(*request.input, request.basis, request.activation, 0, pool));
    QL_TRY(const MeasuredRows rows, measuredRows(request.weight, request.sampleOfRows));
    QL_TRY(const TensorParameters parameters, parametersFor(backend, request.weight, rows, request.scheme, job));
    OutputError result;
    result.basis = meter.basis();
    QL_CHECK(RowsMeter(backend, meter, rows).measure(parameters, job, result.error, &result.reference));
    return result;
}

namespace {

constexpr int64_t kSearchRows = 128;
constexpr int64_t kSearchTokens = 512;
/// Up to this width a Gram matrix costs no more than a sample.
constexpr int64_t kNarrow = 1024;

Scheme withRatio(const Scheme& scheme, float ratio)
{
    Scheme changed = scheme;
    changed.clip = ratio < 1 ? ClipMethod::Ratio : ClipMethod::MinMax;
    changed.clipParameter = ratio < 1 ? double(ratio) : 0;
    return changed;
}

/// The ratio of sweepRatios() with the lowest output error.
class RatioSearch
{
public:
    RatioSearch(Backend& backend, const TensorView& weight, const Scheme& scheme, const MeasuredRows& rows)
        : m_backend(backend), m_weight(weight), m_scheme(scheme), m_rows(rows)
    {
    }

    Result<float> best(const OutputMeter& meter, const JobControl& job)
    {
        const JobControl quiet{job.stop, {}};
        QL_TRY(const TensorParameters whole, parametersFor(m_backend, m_weight, m_rows, withRatio(m_scheme, 1), job));
        if (whole.groupsPerRow == 0) {
            QL_TRY(const TensorStats stats, m_backend.statistics(m_weight, quiet));
            m_range = {float(std::min(stats.min, 0.0)), float(std::max(stats.max, 0.0))};
        }
        RowsMeter rows(m_backend, meter, m_rows);
        const auto ratios = sweepRatios();
        float best = 1;
        double lowest = std::numeric_limits<double>::infinity();
        for (size_t i = 0; i < ratios.size(); ++i) {
            QL_TRY(const TensorParameters parameters, at(ratios[i], whole, quiet));
            double error = 0;
            QL_CHECK(rows.measure(parameters, quiet, error, nullptr));
            if (error < lowest) {
                lowest = error;
                best = ratios[i];
            }
            job.report(m_weight.byteSize() * (i + 1) / ratios.size(), m_weight.byteSize());
        }
        return best;
    }

private:
    /// What every ratio has in common is found once.
    Result<TensorParameters> at(float ratio, const TensorParameters& whole, const JobControl& job)
    {
        const Scheme scheme = withRatio(m_scheme, ratio);
        if (scheme.doubleQuant)
            return parametersFor(m_backend, m_weight, m_rows, scheme, job);
        TensorParameters parameters = whole;
        parameters.scheme = scheme;
        if (parameters.groupsPerRow == 0) {
            const GroupQuantizer group(scheme, whole.globalScale);
            parameters.tensorGroup = group.fromLimits({m_range.lo * ratio, m_range.hi * ratio});
        }
        return parameters;
    }

    Backend& m_backend;
    const TensorView& m_weight;
    const Scheme& m_scheme;
    const MeasuredRows& m_rows;
    ClipLimits m_range;
};

/// Median over groups of the limit that their scales were made for.
Result<double> medianLimit(Backend& backend, const TensorView& weight, const MeasuredRows& rows, const Scheme& scheme,
                           const JobControl& job)
{
    QL_TRY(const TensorParameters parameters, parametersFor(backend, weight, rows, scheme, job));
    const Codebook book = codebookFor(scheme);
    const double reach =
        scheme.symmetry == Symmetry::Symmetric ? double(book.maxMagnitude) : double(book.maxMagnitude) / 2;
    std::vector<float> scales;
    QL_CHECK(forEachSlab(backend, rows.view, parameters, 0, rows.view.rows(), {job.stop, {}},
                         [&](const Slab& slab) -> Status {
                             scales.insert(scales.end(), slab.quantized->scales.begin(), slab.quantized->scales.end());
                             return {};
                         }));
    return quantileOf(std::move(scales), 0.5) * reach;
}

} // namespace

Result<Scheme> resolveOutputClip(Backend& backend, const TensorView& weight, const Scheme& scheme,
                                 const InputStatistics* input, ThreadPool& pool, const JobControl& job, ClipMark* mark)
{
    if (scheme.clip != ClipMethod::Output)
        return scheme;
    QL_CHECK(scheme.check());
    QL_CHECK(checkInput(weight, input));
    const bool gram = input->hasGram() && (weight.cols() <= kNarrow || !input->hasSample());
    const auto basis = gram                 ? std::optional(OutputError::Basis::Gram)
                       : input->hasSample() ? std::optional(OutputError::Basis::Sample)
                                            : std::nullopt;
    QL_TRY(const OutputMeter meter, OutputMeter::create(*input, basis, {}, kSearchTokens, pool));
    QL_TRY(const MeasuredRows rows, measuredRows(weight, kSearchRows));
    QL_TRY(const float ratio, RatioSearch(backend, weight, scheme, rows).best(meter, job));
    Scheme resolved = scheme;
    resolved.clip = ClipMethod::Ratio;
    resolved.clipParameter = double(ratio);
    if (!mark)
        return resolved;
    mark->method = ClipMethod::Output;
    mark->parameter = 0;
    mark->ratio = double(ratio);
    QL_TRY(mark->limit, medianLimit(backend, weight, rows, resolved, job));
    QL_TRY(const ErrorMetrics metrics, backend.measure(weight, resolved, {job.stop, {}}));
    mark->mse = metrics.mse();
    OutputErrorRequest request;
    request.weight = weight;
    request.scheme = resolved;
    request.input = input;
    QL_TRY(const OutputError error, measureOutputError(backend, request, pool, {job.stop, {}}));
    mark->outputError = error.relative();
    return resolved;
}

Result<std::vector<Decision>> resolveOutputClips(Backend& backend, const Model& model, std::vector<Decision> decisions,
                                                 const Calibration* calibration, ThreadPool& pool,
                                                 const JobControl& job, const std::vector<int>* only)
{
    std::vector<size_t> wanted;
    for (size_t i = 0; i < decisions.size(); ++i) {
        const bool meant = !only || std::find(only->begin(), only->end(), int(i)) != only->end();
        if (meant && !decisions[i].asStored && decisions[i].scheme.clip == ClipMethod::Output)
            wanted.push_back(i);
    }
    for (size_t n = 0; n < wanted.size(); ++n) {
        const size_t i = wanted[n];
        const std::string& name = model.tensors()[i].name;
        if (!calibration)
            return Error{ErrorCode::CalibrationInvalid,
                         "clip=output takes its limit from a calibration: calibrate, or load one", "tensor " + name};
        QL_TRY(const TensorView view, model.view(int(i)));
        auto scheme = resolveOutputClip(backend, view, decisions[i].scheme, calibration->find(name), pool,
                                        passOf(job, int(n), int(wanted.size())));
        if (!scheme.ok() && scheme.error().code == ErrorCode::Cancelled)
            return scheme.error();
        if (!scheme.ok())
            return Error{scheme.error().code, scheme.error().message, "tensor " + name};
        decisions[i].scheme = *scheme;
        view.release();
    }
    return decisions;
}

} // namespace ql
