// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/importance.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kMost = 1e15; ///< what the weighted searches can add up

ImportanceSource sourceOf(const Calibration& calibration)
{
    const CalibrationSource& source = calibration.source();
    ImportanceSource result;
    result.maker = source.kind + (source.program.empty() ? "" : " by " + source.program);
    result.dataset = source.text;
    result.entries = calibration.knownTensors();
    result.chunks = source.sequences;
    return result;
}

} // namespace

std::shared_ptr<const ColumnImportance> importanceOf(const Calibration& calibration, std::string_view tensor,
                                                     int64_t rows, int64_t cols)
{
    const InputStatistics* input = calibration.find(tensor);
    if (!input || input->channels != cols || cols == 0)
        return nullptr;
    const bool perExpert = !input->expertMeanSquare.empty();
    const std::vector<double>& means = perExpert ? input->expertMeanSquare : input->channelMeanSquare;
    if (means.empty() || means.size() % size_t(cols) != 0)
        return nullptr;
    auto importance = std::make_shared<ColumnImportance>();
    importance->cols = cols;
    importance->source = sourceOf(calibration);
    for (size_t i = 0; i < means.size(); ++i) {
        const size_t expert = i / size_t(cols);
        const bool unseen = perExpert && expert < input->expertTokens.size() && input->expertTokens[expert] == 0;
        importance->values.push_back(unseen ? 1.0f : float(std::clamp(means[i], 0.0, kMost)));
    }
    return importance->fits(rows, cols) ? importance : nullptr;
}

TensorView weightedView(TensorView view, const Calibration* calibration, std::string_view tensor)
{
    return calibration ? view.weighted(importanceOf(*calibration, tensor, view.rows(), view.cols())) : view;
}

Scheme weighable(Scheme scheme, const TensorView& view)
{
    scheme.importance = scheme.importance && view.importance();
    return scheme;
}

Result<std::vector<Decision>> attachImportance(const Model& model, std::vector<Decision> decisions,
                                               const Calibration* calibration, const std::vector<int>* only)
{
    for (size_t i = 0; i < decisions.size(); ++i) {
        Decision& decision = decisions[i];
        if (decision.asStored || !decision.scheme.importance)
            continue;
        if (only && std::find(only->begin(), only->end(), int(i)) == only->end())
            continue;
        const TensorInfo& tensor = model.tensors()[i];
        if (!calibration)
            return Error{ErrorCode::CalibrationInvalid,
                         "imatrix of " + decision.scheme.text() +
                             " takes its weights from a calibration: calibrate, or load one",
                         "tensor " + tensor.name};
        decision.importance = importanceOf(*calibration, tensor.name, tensor.rows(), tensor.cols());
        if (decision.importance)
            continue;
        const std::string wished = decision.scheme.text();
        decision.scheme.importance = false;
        decision.fallback += (decision.fallback.empty() ? "" : "; ") + decision.scheme.text() + " instead of " + wished +
                            ": the calibration does not know this tensor's input";
    }
    return decisions;
}

Result<std::vector<Decision>> resolveCalibrated(Backend& backend, const Model& model, std::vector<Decision> decisions,
                                                const Calibration* calibration, ThreadPool& pool, const JobControl& job,
                                                const std::vector<int>* only)
{
    QL_TRY(decisions, attachImportance(model, std::move(decisions), calibration, only));
    return resolveOutputClips(backend, model, std::move(decisions), calibration, pool, job, only);
}

} // namespace ql
