// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/fixedgridbackend.h"

#include "core/base/checked.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {

namespace {

/// One row under one grid: a tensor of its own.
TensorParameters rowParameters(const Scheme& scheme, const GroupParameters& grid, int64_t rows, int64_t cols)
{
    TensorParameters p;
    p.scheme = scheme;
    p.rows = rows;
    p.cols = cols;
    p.groupSize = rows * cols;
    p.groupsPerRow = 0;
    p.tensorGroup = grid;
    return p;
}

} // namespace

Result<TensorParameters> FixedGridBackend::prepare(const TensorView& tensor, const Scheme& scheme, const JobControl&)
{
    QL_CHECK(applicable(scheme, tensor.rows(), tensor.cols()));
    if (m_grids.size() != (perRow(scheme) ? size_t(tensor.rows()) : size_t(1)))
        return Error{ErrorCode::InvalidArgument, "there is not one grid for each row", {}};
    TensorParameters p = rowParameters(scheme, m_grids.front(), tensor.rows(), tensor.cols());
    if (perRow(scheme)) {
        p.groupSize = tensor.cols();
        p.groupsPerRow = 1;
    }
    return p;
}

Result<ErrorMetrics> FixedGridBackend::measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    QL_TRY(const TensorParameters parameters, prepare(tensor, scheme, job));
    const int64_t step = std::max<int64_t>(1, (128 * 1024) / std::max<int64_t>(1, tensor.cols()));
    const int64_t tasks = ceilDiv(tensor.rows(), step);
    std::vector<ErrorMetrics> parts(static_cast<size_t>(tasks));
    std::vector<Status> errors(static_cast<size_t>(tasks));
    parallelFor(
        tasks,
        [&](int64_t task) {
            const int64_t first = task * step;
            const int64_t rows = std::min(step, tensor.rows() - first);
            std::vector<float> x(size_t(rows * tensor.cols()));
            errors[size_t(task)] = tensor.readRows(first, rows, x.data());
            if (!errors[size_t(task)].ok())
                return;
            if (!perRow(scheme)) {
                parts[size_t(task)] = TensorQuantizer(parameters).measureRows(x.data(), first, rows);
                return;
            }
            for (int64_t r = 0; r < rows; ++r) {
                const TensorQuantizer row(rowParameters(scheme, m_grids[size_t(first + r)], 1, tensor.cols()));
                parts[size_t(task)].merge(row.measureRows(x.data() + r * tensor.cols(), 0, 1));
            }
        },
        job.stop);
    if (job.cancelled())
        return cancelledError();
    ErrorMetrics sums;
    for (size_t task = 0; task < parts.size(); ++task) {
        QL_CHECK(errors[task]);
        sums.merge(parts[task]);
    }
    return sums;
}

Result<QuantizedTensor> FixedGridBackend::quantizeRows(const TensorView& tensor, const TensorParameters& parameters,
                                                       int64_t firstRow, int64_t rows, const JobControl& job)
{
    if (!perRow(parameters.scheme))
        return m_base.quantizeRows(tensor, parameters, firstRow, rows, job);
    QuantizedTensor q;
    q.scheme = parameters.scheme;
    q.firstRow = firstRow;
    q.rows = rows;
    q.cols = tensor.cols();
    q.groupSize = parameters.groupSize;
    q.groupsPerRow = 1;
    q.codes.resize(size_t(rows * q.cols));
    const GroupQuantizer group(parameters.scheme);
    std::vector<float> x(size_t(q.cols));
    for (int64_t r = 0; r < rows; ++r) {
        if (job.cancelled())
            return cancelledError();
        const GroupParameters& grid = m_grids[size_t(firstRow + r)];
        QL_CHECK(tensor.readRows(firstRow + r, 1, x.data()));
        for (size_t i = 0; i < x.size(); ++i)
            q.codes[size_t(r * q.cols) + i] = group.code(group.nearestLevel(x[i], grid));
        q.scales.push_back(grid.scale);
        if (parameters.scheme.symmetry == Symmetry::Asymmetric)
            q.zeros.push_back(grid.zero);
    }
    return q;
}

} // namespace ql
