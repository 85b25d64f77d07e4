// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Calibration: what is known of the inputs of a model's linear layers. Immutable; shared between threads. Collected by
// running the model, or imported; saved as a safetensors file with its provenance.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/model/model.h"
#include "core/nn/matrix.h"
#include "core/stats/statistics.h"
#include "core/tensor/tensorview.h"

#include <Eigen/Core>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

/// One linear input. Vectors are per channel, or empty where the source does not tell (importance matrices know only
/// meanSquare). NaN and Inf are counted and left out.
struct InputStatistics {
    std::vector<std::string> tensors; ///< weights that it enters, as named in the model; never empty
    int layer = -1;
    int64_t channels = 0;
    uint64_t tokens = 0;    ///< rows that were counted
    uint64_t nonFinite = 0;
    double min = 0, max = 0;///< exact, over everything
    double averageMin = 0, averageMax = 0; ///< means over sequences of each sequence's extremes
    Histogram histogram;    ///< at most 4096 bins of equal, power-of-two width that cover [min, max]; exact counts
    std::vector<float> channelMin, channelMax;
    std::vector<double> channelMean, channelMeanSquare;
    std::vector<float> tokenMin, tokenMax; ///< of every token, in the order of the sequences
    std::vector<uint64_t> expertTokens;    ///< rows per expert, of weights that stack experts, and of routers
    std::vector<double> expertMeanSquare;  ///< experts x channels, of weights that stack experts
    TensorView sample; ///< rows drawn without replacement by the seed, sampleRows x channels; zero rows when there is none
    TensorView gram;   ///< X^T X over all rows, channels x channels, stored F64; zero rows when there is none

    bool hasDistribution() const { return !histogram.counts.empty(); }
    bool hasSample() const { return sample.rows() > 0; }
    bool hasGram() const { return gram.rows() > 0; }
    float channelAbsMax(int64_t channel) const;
    Result<RowMatrix> sampleRows() const;
    Result<Eigen::MatrixXd> gramMatrix() const;
};

struct CalibrationSource {
    std::string kind; ///< "forward pass", "importance matrix", "activation dump"
    std::string modelFingerprint, modelName;
    std::string text; ///< file or data set names, with a digest where known
    uint64_t sequences = 0, length = 0, tokens = 0, seed = 0;
    bool partial = false; ///< cancelled before all sequences or layers were done
    std::string program;  ///< name and version of what made it
    std::string created;  ///< ISO 8601, UTC

    /// Of something that is made for `model` now: kind, model, program and time filled in.
    static CalibrationSource of(std::string kind, const Model& model);
};

class Calibration
{
public:
    Calibration(CalibrationSource source, std::vector<InputStatistics> inputs);

    const CalibrationSource& source() const { return m_source; }
    const std::vector<InputStatistics>& inputs() const { return m_inputs; }
    /// Index into inputs() of what enters the weight of this name; -1 when unknown.
    int inputOf(std::string_view tensor) const;
    const InputStatistics* find(std::string_view tensor) const;
    size_t knownTensors() const { return m_byTensor.size(); }

    /// CalibrationInvalid naming file and entry, CalibrationMismatch when it is of another model (its fingerprint, or
    /// widths that differ) - `model` may be null to skip that. Samples and Gram matrices stay in the file until read.
    static Result<std::shared_ptr<const Calibration>> load(const std::string& path, const Model* model);
    Status save(const std::string& path, const JobControl& job = {}) const;

private:
    CalibrationSource m_source;
    std::vector<InputStatistics> m_inputs;
    std::map<std::string, int, std::less<>> m_byTensor;
};

} // namespace ql
