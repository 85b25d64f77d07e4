// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/evaluation/evaluation.h"

#include <algorithm>
#include <map>

namespace ql {
namespace {

constexpr int64_t kSliceValues = 4 << 20; ///< quantized at a time

/// Some rows of one tensor.
struct Slice {
    const TensorView& view;
    int64_t first, rows;
    float* out;
};

Status readStored(const Slice& slice, const JobControl& job)
{
    const int64_t cols = slice.view.cols();
    const int64_t step = std::max<int64_t>(1, kSliceValues / std::max<int64_t>(1, cols));
    for (int64_t row = 0; row < slice.rows; row += step) {
        if (job.cancelled())
            return cancelledError();
        QL_CHECK(slice.view.readRows(slice.first + row, std::min(step, slice.rows - row), slice.out + row * cols));
    }
    return {};
}

Status readQuantized(Backend& backend, const TensorParameters& parameters, const Slice& slice, const JobControl& job)
{
    const int64_t cols = slice.view.cols();
    const int64_t step = std::max<int64_t>(1, kSliceValues / std::max<int64_t>(1, cols));
    for (int64_t row = 0; row < slice.rows; row += step) {
        if (job.cancelled())
            return cancelledError();
        QL_TRY(const QuantizedTensor part, backend.quantizeRows(slice.view, parameters, slice.first + row,
                                                                std::min(step, slice.rows - row), job));
        QL_CHECK(backend.dequantize(part, slice.out + row * cols, job));
    }
    return {};
}

/// What the schemes need to know of tensors that are read part by part: it takes a pass over the whole tensor.
using KnownParameters = std::map<int, TensorParameters>;

} // namespace

WeightReader quantizedWeights(Backend& backend, std::shared_ptr<const Model> model, std::vector<Decision> decisions,
                              const JobControl& job)
{
    return [&backend, model = std::move(model), decisions = std::move(decisions),
            inner = JobControl{job.stop, {}}, known = std::make_shared<KnownParameters>()](
               int tensor, int64_t firstRow, std::span<float> out) -> Status {
        QL_TRY(const TensorView view, model->view(tensor));
        const int64_t rows = int64_t(out.size()) / std::max<int64_t>(1, view.cols());
        if (rows * view.cols() != int64_t(out.size()) || firstRow < 0 || rows > view.rows() - firstRow)
            return Error{ErrorCode::InvalidArgument,
                         "room for " + std::to_string(out.size()) + " values where the tensor has " +
                             std::to_string(view.count()),
                         model->tensors()[size_t(tensor)].name};
        const Decision& decision = decisions[size_t(tensor)];
        const Slice slice{view.weighted(decision.importance), firstRow, rows, out.data()};
        Status read;
        if (decision.asStored) {
            read = readStored(slice, inner);
        } else {
            auto parameters = known->find(tensor);
            if (parameters == known->end()) {
                QL_TRY(TensorParameters prepared, backend.prepare(slice.view, decision.scheme, inner));
                parameters = known->emplace(tensor, std::move(prepared)).first;
            }
            read = readQuantized(backend, parameters->second, slice, inner);
        }
        view.release();
        return read;
    };
}

} // namespace ql
