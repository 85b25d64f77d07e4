// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/slabs.h"

#include <algorithm>

namespace ql {

size_t Slab::groupOf(int64_t row, int64_t col) const
{
    if (quantized->groupsPerRow == 0)
        return 0;
    return size_t(row * quantized->groupsPerRow + col / quantized->groupSize);
}

float Slab::scaleAt(size_t group) const
{
    return group < quantized->scales.size() ? quantized->scales[group] : 1.0f;
}

float Slab::zeroAt(size_t group) const
{
    return group < quantized->zeros.size() ? float(quantized->zeros[group]) : 0.0f;
}

float Slab::minimumAt(size_t group) const
{
    return group < quantized->mins.size() ? quantized->mins[group] : 0.0f;
}

Status forEachSlab(Backend& backend, const TensorView& tensor, const TensorParameters& parameters, int64_t firstRow,
                   int64_t rows, const JobControl& job, const std::function<Status(const Slab&)>& visit)
{
    constexpr int64_t kSlabValues = 4 * 1024 * 1024;
    const int64_t cols = tensor.cols();
    if (rows == 0 || cols == 0)
        return {};
    const int64_t most = std::clamp<int64_t>(kSlabValues / cols, 1, rows);
    std::vector<float> values(size_t(most * cols));
    std::vector<float> reconstructed(size_t(most * cols));
    const JobControl quiet{job.stop, {}};
    for (int64_t row = firstRow; row < firstRow + rows; row += most) {
        if (job.cancelled())
            return cancelledError();
        const int64_t n = std::min(most, firstRow + rows - row);
        QL_TRY(const QuantizedTensor q, backend.quantizeRows(tensor, parameters, row, n, quiet));
        QL_CHECK(backend.dequantize(q, reconstructed.data(), quiet));
        QL_CHECK(tensor.readRows(row, n, values.data()));
        QL_CHECK(visit({row, n, cols, values.data(), reconstructed.data(), &q}));
        const double share = double(row + n - firstRow) / double(rows);
        job.report(uint64_t(share * double(tensor.byteSize())), tensor.byteSize());
    }
    return {};
}

JobControl passOf(const JobControl& job, int index, int count)
{
    JobControl pass{job.stop, {}};
    if (job.progress) {
        pass.progress = [report = job.progress, index, count](uint64_t done, uint64_t total) {
            report(total * uint64_t(index) + done, total * uint64_t(count));
        };
    }
    return pass;
}

double quantileOf(std::vector<float> values, double share)
{
    if (values.empty())
        return 0;
    const auto at = values.begin() + int64_t(share * double(values.size() - 1) + 0.5);
    std::nth_element(values.begin(), at, values.end());
    return double(*at);
}

} // namespace ql
