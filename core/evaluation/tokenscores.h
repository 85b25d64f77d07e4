// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What logits say about the text, token by token, and means over tokens. Values and free functions; any thread.
#pragma once

#include "core/evaluation/evaluation.h"

#include <functional>
#include <vector>

namespace ql {

/// One predicted token under the original and the quantized model. Losses in nats.
struct TokenScore {
    int sequence = 0;
    int64_t position = 0; ///< of the token that predicts
    double originalLoss = 0, loss = 0;
    double kl = 0;             ///< KL(original || quantized); exactly 0 for equal logits
    double squaredError = 0;   ///< of the logits, mean over the vocabulary
    bool agrees = false;       ///< the most likely token is the same (the first of equal ones)
    bool finite = true;        ///< all logits of both are numbers
};

/// `target` is the token that really follows.
TokenScore scoreToken(std::span<const float> original, std::span<const float> quantized, int32_t target);

/// Mean over tokens. The standard error treats sequences as the independent units (linearised ratio of sums) where there
/// are at least 8, else tokens.
class MeanEstimator
{
public:
    /// Tokens of one sequence arrive together.
    void add(int sequence, double value);
    uint64_t count() const { return m_count; }
    Estimate estimate() const;

private:
    struct Sequence {
        int index;
        double sum;
        uint64_t count;
    };
    uint64_t m_count = 0;
    double m_mean = 0, m_squares = 0; ///< running mean and sum of squared deviations over tokens
    std::vector<Sequence> m_sequences;
};

/// Linear interpolation between order statistics; `sorted` ascending; 0 for none.
double percentileOf(std::span<const double> sorted, double percent);

/// Predicted tokens of the sequences: all but the last of each.
uint64_t predictedTokens(std::span<const TokenIds> sequences);

/// One model's last hidden states and head, for walkLogits().
struct LogitStream {
    const Network::Weights* head = nullptr;
    const std::vector<RowMatrix>* hidden = nullptr;
    NetworkHooks* hooks = nullptr;
};

/// Shows every predicted token of every sequence: scores of streams[i] against `original`, a few tokens at a time, so
/// that whole logits never exist. `sink` is called on this thread in order of sequences, for one chunk and one stream
/// after the other. `chunkDone` gets the tokens done times streams. A stream that is `original` itself costs nothing
/// extra. Logits that are not numbers are an error.
Status walkLogits(const Network& network, std::span<const TokenIds> sequences, const LogitStream& original,
                  std::span<const LogitStream> streams,
                  const std::function<void(size_t stream, std::span<const TokenScore>)>& sink,
                  const std::function<void(uint64_t tokens)>& chunkDone, ThreadPool& pool, const JobControl& job);

} // namespace ql
