// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/analysis.h"
#include "core/compute/provenance.h"
#include "core/compute/slabs.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ql {
namespace {

struct Candidate {
    ClipMethod method;
    double parameter;
};
constexpr std::array<Candidate, 4> kCandidates{
    {{ClipMethod::MinMax, 0}, {ClipMethod::Percentile, 99.9}, {ClipMethod::Mse, 0}, {ClipMethod::Kl, 0}}};

Scheme withClip(const Scheme& scheme, const Candidate& candidate)
{
    Scheme changed = scheme;
    changed.clip = candidate.method;
    changed.clipParameter = candidate.parameter;
    return changed;
}

/// The limit that each group's scale was made for: half the width of the grid for asymmetric schemes.
std::vector<float> limitsOf(const std::vector<GroupParameters>& groups, const Codebook& book)
{
    const bool symmetric = book.levels.front().value < 0;
    const float reach = symmetric ? book.maxMagnitude : book.maxMagnitude / 2;
    std::vector<float> limits;
    for (const GroupParameters& p : groups)
        limits.push_back(p.scale * reach);
    return limits;
}

/// Limits of the sampled groups under one clip method.
Result<std::vector<float>> limitsUnder(Backend& backend, const TensorView& tensor, const TensorView& sample,
                                       const Scheme& scheme, const JobControl& job)
{
    QL_TRY(TensorParameters parameters, backend.prepare(tensor, scheme, {job.stop, {}}));
    const Codebook book = codebookFor(scheme);
    if (parameters.groupsPerRow == 0)
        return limitsOf({parameters.tensorGroup}, book);
    // The sample is a matrix of its own: its groups are numbered afresh.
    parameters.scheme.doubleQuant = false;
    parameters.rows = sample.rows();
    parameters.cols = sample.cols();
    parameters.groupSize = scheme.granularity == Granularity::Channel ? sample.cols() : parameters.groupSize;
    parameters.groupsPerRow = (sample.cols() + parameters.groupSize - 1) / parameters.groupSize;
    const TensorQuantizer quantizer(std::move(parameters));
    std::vector<float> row(size_t(sample.cols()));
    std::vector<float> limits;
    for (int64_t r = 0; r < sample.rows(); ++r) {
        if (job.cancelled())
            return cancelledError();
        QL_CHECK(sample.readRows(r, 1, row.data()));
        const std::vector<float> part = limitsOf(quantizer.chooseParameters(row.data(), r, 1), book);
        limits.insert(limits.end(), part.begin(), part.end());
    }
    return limits;
}

double medianRatio(const std::vector<float>& limits, const std::vector<float>& ranges)
{
    std::vector<float> ratios;
    for (size_t i = 0; i < limits.size(); ++i) {
        if (ranges[i] > 0)
            ratios.push_back(std::min(1.0f, limits[i] / ranges[i]));
    }
    return ratios.empty() ? 1 : quantileOf(std::move(ratios), 0.5);
}

} // namespace

Result<Shared<ClipStudy>> analyseClipping(Backend& backend, const TensorView& tensor, const Scheme& scheme,
                                          const JobControl& job)
{
    constexpr int64_t kSampledLimits = 64 * 1024;
    constexpr int kPasses = int(kCandidates.size()) + 1;
    ProvenanceClock clock(backend, tensor, scheme);
    auto result = std::make_shared<ClipStudy>();
    QL_TRY(result->sweep, backend.clipSweep(tensor, scheme, passOf(job, 0, kPasses)));
    QL_TRY(const TensorView sample, previewSample(tensor, kSampledLimits));
    std::vector<float> ranges;
    for (size_t i = 0; i < kCandidates.size(); ++i) {
        const Scheme candidate = withClip(scheme, kCandidates[i]);
        QL_TRY(const std::vector<float> limits, limitsUnder(backend, tensor, sample, candidate, job));
        if (ranges.empty())
            ranges = limits; // min-max comes first
        QL_TRY(const ErrorMetrics metrics, backend.measure(tensor, candidate, passOf(job, int(i) + 1, kPasses)));
        result->marks.push_back({kCandidates[i].method, kCandidates[i].parameter, quantileOf(limits, 0.5),
                                 medianRatio(limits, ranges), metrics.mse()});
    }
    result->provenance = clock.finish();
    return Shared<ClipStudy>(std::move(result));
}

} // namespace ql
