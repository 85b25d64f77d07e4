// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/calibration.h"

#include "core/base/utf8.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace ql {
namespace {

std::string utcNow()
{
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Error invalid(const TensorView& view, const InputStatistics& input, std::string message)
{
    return {ErrorCode::CalibrationInvalid, std::move(message),
            view.source()->name() + ": input of " + printable(input.tensors.empty() ? std::string() : input.tensors[0])};
}

} // namespace

float InputStatistics::channelAbsMax(int64_t channel) const
{
    if (channel < 0 || size_t(channel) >= channelMin.size())
        return 0;
    return std::max(std::abs(channelMin[size_t(channel)]), std::abs(channelMax[size_t(channel)]));
}

Result<RowMatrix> InputStatistics::sampleRows() const
{
    RowMatrix rows(sample.rows(), hasSample() ? sample.cols() : channels);
    if (!hasSample())
        return rows;
    QL_CHECK(sample.readRows(0, sample.rows(), rows.data()));
    if (!rows.allFinite())
        return invalid(sample, *this, "the row sample holds values that are not finite; calibrate again");
    return rows;
}

Result<Eigen::MatrixXd> InputStatistics::gramMatrix() const
{
    Eigen::MatrixXd matrix(gram.rows(), gram.cols());
    if (!hasGram())
        return matrix;
    QL_CHECK(gram.source()->read(gram.offset(), std::as_writable_bytes(std::span(matrix.data(), size_t(matrix.size())))));
    const double scale = matrix.cwiseAbs().maxCoeff();
    if (!matrix.allFinite() || matrix.diagonal().minCoeff() < 0 ||
        (matrix - matrix.transpose()).cwiseAbs().maxCoeff() > 1e-6 * scale)
        return invalid(gram, *this, "the Gram matrix is not finite, symmetric and positive; calibrate again");
    return matrix;
}

CalibrationSource CalibrationSource::of(std::string kind, const Model& model)
{
    CalibrationSource source;
    source.kind = std::move(kind);
    source.modelFingerprint = model.fingerprint();
    source.modelName = model.displayName();
    source.program = "quantloupe " QUANTLOUPE_VERSION;
    source.created = utcNow();
    return source;
}

Calibration::Calibration(CalibrationSource source, std::vector<InputStatistics> inputs)
    : m_source(std::move(source)), m_inputs(std::move(inputs))
{
    for (size_t i = 0; i < m_inputs.size(); ++i) {
        for (const std::string& tensor : m_inputs[i].tensors)
            m_byTensor.emplace(tensor, int(i));
    }
}

int Calibration::inputOf(std::string_view tensor) const
{
    const auto found = m_byTensor.find(tensor);
    return found == m_byTensor.end() ? -1 : found->second;
}

const InputStatistics* Calibration::find(std::string_view tensor) const
{
    const int input = inputOf(tensor);
    return input < 0 ? nullptr : &m_inputs[size_t(input)];
}

} // namespace ql
