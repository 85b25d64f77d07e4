// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/exportestimate.h"

#include "core/calibration/importance.h"
#include "core/compute/analysis.h"

#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <map>

namespace ql {
namespace {

constexpr int64_t kSampleValues = 1 << 18;

class Clock
{
public:
    double seconds() const
    {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - m_start).count();
    }

private:
    std::chrono::steady_clock::time_point m_start = std::chrono::steady_clock::now();
};

/// What one scheme has to do.
struct Work {
    int largest = -1; ///< tensor
    const Decision* decision = nullptr; ///< for it
    uint64_t values = 0;
};

Scheme withoutCalibration(Scheme scheme)
{
    if (scheme.clip == ClipMethod::Output)
        scheme.clip = ClipMethod::Mse;
    return scheme;
}

/// Seconds per value, reading included.
Result<double> costOf(Backend& backend, const Model& model, int tensor, const Decision& decision, bool reconstructs,
                      const JobControl& job)
{
    QL_TRY(const TensorView view, model.view(tensor));
    const Clock clock;
    QL_TRY(const TensorView sample, previewSample(view.weighted(decision.importance), kSampleValues));
    const Scheme scheme = weighable(withoutCalibration(decision.scheme), sample);
    if (!scheme.keepsFloat()) {
        QL_TRY(const TensorParameters parameters, backend.prepare(sample, scheme, {job.stop, {}}));
        QL_TRY(const QuantizedTensor quantized, backend.quantizeRows(sample, parameters, 0, sample.rows(), {job.stop, {}}));
        if (reconstructs) {
            std::vector<float> values(size_t(sample.count()));
            QL_CHECK(backend.dequantize(quantized, values.data(), {job.stop, {}}));
        }
    }
    return clock.seconds() / double(std::max<int64_t>(1, sample.count()));
}

/// Seconds per byte of a checksum: what is written is summed once, and again when it is read back.
double checksumCost()
{
    const std::vector<unsigned char> bytes(4 << 20, 0x5a);
    const Clock clock;
    volatile uLong sum = crc32_z(0, bytes.data(), bytes.size());
    (void)sum;
    return clock.seconds() / double(bytes.size());
}

} // namespace

Result<double> estimateExport(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                              const ExportPlan& plan, const JobControl& job)
{
    std::map<Scheme, Work> works;
    for (size_t i = 0; i < decisions.size(); ++i) {
        const Decision& planned = i < plan.entries.size() ? plan.entries[i].decision : decisions[i];
        if (planned.asStored || !dtypeInfo(model.tensors()[i].dtype).decodable)
            continue;
        Work& work = works[withoutCalibration(planned.scheme)];
        work.values += model.tensors()[i].parameters();
        if (work.largest < 0 || model.tensors()[i].parameters() > model.tensors()[size_t(work.largest)].parameters()) {
            work.largest = int(i);
            work.decision = &planned;
        }
    }
    double seconds = 2 * double(plan.fileBytes) * checksumCost();
    for (const auto& [scheme, work] : works) {
        if (job.cancelled())
            return cancelledError();
        QL_TRY(const double cost,
               costOf(backend, model, work.largest, *work.decision, plan.format == ExportFormat::Dequantized, job));
        seconds += cost * double(work.values);
    }
    return seconds;
}

} // namespace ql
