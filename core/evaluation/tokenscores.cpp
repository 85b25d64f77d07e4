// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/evaluation/tokenscores.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr int64_t kLogitValues = 4 << 20; ///< per chunk and stream; also bounds how late a cancel is seen
constexpr size_t kSequencesForErrors = 8;

} // namespace

TokenScore scoreToken(std::span<const float> original, std::span<const float> quantized, int32_t target)
{
    const auto top = std::max_element(original.begin(), original.end());
    const auto quantizedTop = std::max_element(quantized.begin(), quantized.end());
    const double shift = double(*top);
    const double quantizedShift = double(*quantizedTop);
    double sum = 0, quantizedSum = 0, weighted = 0, squares = 0;
    bool finite = true;
    for (size_t i = 0; i < original.size(); ++i) {
        const double p = double(original[i]);
        const double q = double(quantized[i]);
        const double likelihood = std::exp(p - shift);
        sum += likelihood;
        quantizedSum += std::exp(q - quantizedShift);
        weighted += likelihood * (p - q);
        squares += (p - q) * (p - q);
        finite = finite && std::isfinite(p) && std::isfinite(q);
    }
    const double normalizer = shift + std::log(sum);
    const double quantizedNormalizer = quantizedShift + std::log(quantizedSum);
    TokenScore score;
    score.originalLoss = normalizer - double(original[size_t(target)]);
    score.loss = quantizedNormalizer - double(quantized[size_t(target)]);
    // sum P ((p - n) - (q - n')): equal logits give 0 in every term. Rounding may leave -1e-17 where it is tiny.
    const double kl = weighted / sum - (normalizer - quantizedNormalizer);
    score.kl = kl < 0 ? 0 : kl;
    score.squaredError = squares / double(original.size());
    score.agrees = top - original.begin() == quantizedTop - quantized.begin();
    score.finite = finite;
    return score;
}

void MeanEstimator::add(int sequence, double value)
{
    ++m_count;
    const double deviation = value - m_mean;
    m_mean += deviation / double(m_count);
    m_squares += deviation * (value - m_mean);
    if (m_sequences.empty() || m_sequences.back().index != sequence)
        m_sequences.push_back({sequence, 0, 0});
    m_sequences.back().sum += value;
    ++m_sequences.back().count;
}

Estimate MeanEstimator::estimate() const
{
    if (m_count == 0)
        return {};
    double total = 0;
    for (const Sequence& sequence : m_sequences)
        total += sequence.sum;
    const double n = double(m_count);
    const double mean = total / n;
    if (m_sequences.size() < kSequencesForErrors)
        return {mean, m_count < 2 ? 0 : std::sqrt(m_squares / (n - 1) / n)};
    double squares = 0;
    for (const Sequence& sequence : m_sequences) {
        const double residual = sequence.sum - mean * double(sequence.count);
        squares += residual * residual;
    }
    const double m = double(m_sequences.size());
    return {mean, std::sqrt(m / (m - 1) * squares) / n};
}

double percentileOf(std::span<const double> sorted, double percent)
{
    if (sorted.empty())
        return 0;
    const double place = std::clamp(percent / 100, 0.0, 1.0) * double(sorted.size() - 1);
    const size_t below = size_t(place);
    const size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (place - double(below)) * (sorted[above] - sorted[below]);
}

uint64_t predictedTokens(std::span<const TokenIds> sequences)
{
    uint64_t tokens = 0;
    for (const TokenIds& ids : sequences)
        tokens += ids.empty() ? 0 : ids.size() - 1;
    return tokens;
}

Status walkLogits(const Network& network, std::span<const TokenIds> sequences, const LogitStream& original,
                  std::span<const LogitStream> streams,
                  const std::function<void(size_t stream, std::span<const TokenScore>)>& sink,
                  const std::function<void(uint64_t tokens)>& chunkDone, ThreadPool& pool, const JobControl& job)
{
    const int64_t step = std::clamp<int64_t>(kLogitValues / std::max<int64_t>(1, network.config().vocabulary), 1, 512);
    RowMatrix rows, reference, logits;
    std::vector<TokenScore> scores;
    for (size_t s = 0; s < sequences.size(); ++s) {
        const TokenIds& ids = sequences[s];
        const auto compute = [&](const LogitStream& stream, const TokenRange& range, RowMatrix& out) {
            rows = (*stream.hidden)[s].middleRows(range.first, range.count);
            return network.logits(*stream.head, range, rows, out, pool, stream.hooks);
        };
        for (int64_t first = 0; first + 1 < int64_t(ids.size()); first += step) {
            const TokenRange range{int(s), first, std::min(step, int64_t(ids.size()) - 1 - first)};
            QL_CHECK(compute(original, range, reference));
            for (size_t i = 0; i < streams.size(); ++i) {
                if (job.cancelled())
                    return cancelledError();
                const bool same = streams[i].hidden == original.hidden && streams[i].head == original.head &&
                                  !streams[i].hooks;
                if (!same)
                    QL_CHECK(compute(streams[i], range, logits));
                const RowMatrix& other = same ? reference : logits;
                scores.resize(size_t(range.count));
                pool.parallelFor(range.count, [&](int64_t row) {
                    const auto width = size_t(reference.cols());
                    TokenScore& score = scores[size_t(row)];
                    score = scoreToken({reference.row(row).data(), width}, {other.row(row).data(), width},
                                       ids[size_t(first + row + 1)]);
                    score.sequence = int(s);
                    score.position = first + row;
                });
                const auto bad = std::find_if(scores.begin(), scores.end(), [](const auto& t) { return !t.finite; });
                if (bad != scores.end())
                    return Error{ErrorCode::Unsupported,
                                 "token " + std::to_string(bad->position) + " of sequence " + std::to_string(s) +
                                     " gets predictions that are not numbers; look for NaN or Inf in the weights or for "
                                     "a range that overflows",
                                 network.model()->path()};
                sink(i, scores);
                chunkDone(uint64_t(range.count));
            }
        }
    }
    return {};
}

} // namespace ql
