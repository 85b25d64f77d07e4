// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/evaluation/evaluation.h"

#include <algorithm>

namespace ql {
namespace {

constexpr int64_t kSliceValues = 4 << 20; ///< quantized at a time

Status readStored(const TensorView& view, std::span<float> out, const JobControl& job)
{
    const int64_t step = std::max<int64_t>(1, kSliceValues / std::max<int64_t>(1, view.cols()));
    for (int64_t row = 0; row < view.rows(); row += step) {
        if (job.cancelled())
            return cancelledError();
        QL_CHECK(view.readRows(row, std::min(step, view.rows() - row), out.data() + row * view.cols()));
    }
    return {};
}

Status readQuantized(Backend& backend, const TensorView& view, const Scheme& scheme, std::span<float> out,
                     const JobControl& job)
{
    QL_TRY(const TensorParameters parameters, backend.prepare(view, scheme, job));
    const int64_t step = std::max<int64_t>(1, kSliceValues / std::max<int64_t>(1, view.cols()));
    for (int64_t row = 0; row < view.rows(); row += step) {
        if (job.cancelled())
            return cancelledError();
        QL_TRY(const QuantizedTensor slice,
               backend.quantizeRows(view, parameters, row, std::min(step, view.rows() - row), job));
        QL_CHECK(backend.dequantize(slice, out.data() + row * view.cols(), job));
    }
    return {};
}

} // namespace

WeightReader quantizedWeights(Backend& backend, std::shared_ptr<const Model> model, std::vector<Decision> decisions,
                              const JobControl& job)
{
    return [&backend, model = std::move(model), decisions = std::move(decisions),
            inner = JobControl{job.stop, {}}](int tensor, std::span<float> out) -> Status {
        QL_TRY(const TensorView view, model->view(tensor));
        if (uint64_t(view.count()) != out.size())
            return Error{ErrorCode::InvalidArgument,
                         "room for " + std::to_string(out.size()) + " values where the tensor has " +
                             std::to_string(view.count()),
                         model->tensors()[size_t(tensor)].name};
        const Decision& decision = decisions[size_t(tensor)];
        const Status read = decision.asStored ? readStored(view, out, inner)
                                              : readQuantized(backend, view, decision.scheme, out, inner);
        view.release();
        return read;
    };
}

} // namespace ql
