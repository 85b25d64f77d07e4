// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/outputmeter.h"

#include <algorithm>

namespace ql {

namespace {

using Basis = OutputError::Basis;

Error lacks(const InputStatistics& input, const std::string& what)
{
    return {ErrorCode::CalibrationInvalid, "the output error needs " + what + ", which this calibration lacks",
            input.tensors.empty() ? std::string() : "input of " + input.tensors.front()};
}

ConstRowMatrixMap mapOf(const RowMatrix& matrix)
{
    return {matrix.data(), matrix.rows(), matrix.cols()};
}

double squaredNorm(const RowMatrix& matrix)
{
    double sum = 0;
    for (Eigen::Index row = 0; row < matrix.rows(); ++row)
        sum += matrix.row(row).cast<double>().squaredNorm();
    return sum;
}

bool hasMoments(const InputStatistics& input)
{
    return int64_t(input.channelMeanSquare.size()) == input.channels || !input.expertMeanSquare.empty();
}

Result<Basis> chooseBasis(const InputStatistics& input, std::optional<Basis> wanted, bool activation)
{
    if (activation && wanted && *wanted != Basis::Sample)
        return Error{
            ErrorCode::InvalidArgument, "with quantized activations the output error comes from a row sample", {}};
    if (!wanted) {
        wanted = activation || (input.hasSample() && !input.hasGram()) ? Basis::Sample
                 : input.hasGram()                                     ? Basis::Gram
                                                                       : Basis::SecondMoments;
    }
    if (*wanted == Basis::Gram && (!input.hasGram() || input.tokens == 0))
        return lacks(input, "a Gram matrix");
    if (*wanted == Basis::Sample && !input.hasSample())
        return lacks(input, "a sample of rows");
    if (*wanted == Basis::SecondMoments && !hasMoments(input))
        return lacks(input, "the mean square of every channel");
    return *wanted;
}

} // namespace

Result<OutputMeter> OutputMeter::create(const InputStatistics& input, std::optional<Basis> wanted,
                                        const std::optional<ActivationScheme>& activation, int64_t mostSampleRows,
                                        ThreadPool& pool)
{
    QL_TRY(const Basis basis, chooseBasis(input, wanted, activation.has_value()));
    OutputMeter meter(input, basis, pool);
    if (basis == Basis::Sample)
        QL_CHECK(meter.readSample(activation, mostSampleRows));
    return meter;
}

Status OutputMeter::readSample(const std::optional<ActivationScheme>& activation, int64_t most)
{
    QL_TRY(m_sample, m_input->sampleRows());
    if (most > 0 && most < m_sample.rows()) {
        RowMatrix fewer(most, m_sample.cols());
        for (int64_t row = 0; row < most; ++row)
            fewer.row(row) = m_sample.row(row * m_sample.rows() / most);
        m_sample = std::move(fewer);
    }
    if (!activation)
        return {};
    QL_TRY(const ActivationQuantizer quantizer, ActivationQuantizer::create(*activation, m_input));
    m_quantized = m_sample;
    quantizer.apply(m_quantized);
    m_lost = m_sample - m_quantized;
    return {};
}

Result<double> OutputMeter::throughGram(const RowMatrix& weights, const JobControl& job) const
{
    constexpr int64_t kSlabValues = 4 * 1024 * 1024;
    const TensorView& gram = m_input->gram;
    const int64_t step = std::max<int64_t>(1, kSlabValues / gram.cols());
    RowMatrix slab;
    RowMatrix product;
    double sum = 0;
    for (int64_t first = 0; first < gram.rows(); first += step) {
        if (job.cancelled())
            return cancelledError();
        const int64_t n = std::min(step, gram.rows() - first);
        slab.resize(n, gram.cols());
        QL_CHECK(gram.readRows(first, n, slab.data()));
        multiplyTransposed(weights, mapOf(slab), product, *m_pool, job.stop);
        for (Eigen::Index row = 0; row < weights.rows(); ++row)
            sum += product.row(row).cast<double>().dot(weights.row(row).segment(first, n).cast<double>());
    }
    return std::max(0.0, sum / double(m_input->tokens));
}

double OutputMeter::throughMoments(const RowMatrix& weights, int64_t firstRow, int64_t allRows) const
{
    const InputStatistics& input = *m_input;
    const auto experts = int64_t(input.expertMeanSquare.size()) / std::max<int64_t>(1, input.channels);
    const bool stacked = experts > 1 && allRows % experts == 0;
    uint64_t counted = 0;
    for (const uint64_t tokens : input.expertTokens)
        counted += tokens;
    const auto square = [](const RowMatrix& all, int64_t row, const double* moments) {
        return all.row(row).cast<double>().array().square().matrix().dot(
            Eigen::Map<const Eigen::RowVectorXd>(moments, all.cols()));
    };
    double sum = 0;
    for (int64_t row = 0; row < weights.rows(); ++row) {
        if (!stacked) {
            const auto& moments = input.channelMeanSquare.empty() ? input.expertMeanSquare : input.channelMeanSquare;
            sum += square(weights, row, moments.data());
            continue;
        }
        const int64_t expert = (firstRow + row) / (allRows / experts);
        const double share = counted > 0 && int64_t(input.expertTokens.size()) == experts
                                 ? double(input.expertTokens[size_t(expert)]) / double(counted)
                                 : 1 / double(experts);
        sum += share * square(weights, row, input.expertMeanSquare.data() + expert * input.channels);
    }
    return sum;
}

Result<double> OutputMeter::power(const RowMatrix& weights, int64_t firstRow, int64_t allRows,
                                  const JobControl& job) const
{
    if (m_basis == Basis::Gram)
        return throughGram(weights, job);
    if (m_basis == Basis::SecondMoments)
        return throughMoments(weights, firstRow, allRows);
    RowMatrix output;
    multiplyTransposed(m_sample, mapOf(weights), output, *m_pool, job.stop);
    if (job.cancelled())
        return cancelledError();
    return squaredNorm(output) / double(m_sample.rows());
}

Result<double> OutputMeter::error(const RowMatrix& weights, const RowMatrix& reconstructed, int64_t firstRow,
                                  int64_t allRows, const JobControl& job) const
{
    const RowMatrix difference = weights - reconstructed;
    if (m_quantized.size() == 0)
        return power(difference, firstRow, allRows, job);
    // x w - A(x) w^ = (x - A(x)) w + A(x) (w - w^): small differences stay exact.
    RowMatrix lost;
    RowMatrix rounded;
    multiplyTransposed(m_lost, mapOf(weights), lost, *m_pool, job.stop);
    multiplyTransposed(m_quantized, mapOf(difference), rounded, *m_pool, job.stop);
    if (job.cancelled())
        return cancelledError();
    return squaredNorm(lost + rounded) / double(m_sample.rows());
}

} // namespace ql
